"""Groups: messages that are submitted together, counted by the store, and followed by one callback."""
