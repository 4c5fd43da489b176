"""Waking sleeping workers and waiters, through lists and channels."""
