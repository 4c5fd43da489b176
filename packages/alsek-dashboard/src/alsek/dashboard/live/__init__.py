"""Keeps open pages up to date: one reader for all of them."""
