"""Reads the store for all pages, in threads of its own."""
