"""The ports on Redis. Each method that writes is one script."""
