"""Moves everything that waits in one store, and what is kept of what has ended, to another store."""
