"""The ports of the store, each method one script."""
