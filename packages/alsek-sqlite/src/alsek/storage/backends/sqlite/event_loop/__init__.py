"""How coroutines of an event loop use the file."""
