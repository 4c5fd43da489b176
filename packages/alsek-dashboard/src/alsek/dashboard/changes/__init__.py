"""What forms do to the store."""
