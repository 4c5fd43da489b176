"""What every backend must hold, tested on each of them."""
