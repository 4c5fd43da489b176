"""Waking sleeping workers and waiters, through sockets beside the file."""
