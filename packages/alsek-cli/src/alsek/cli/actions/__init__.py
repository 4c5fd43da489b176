"""What commands do to a store, and what they ask before."""
