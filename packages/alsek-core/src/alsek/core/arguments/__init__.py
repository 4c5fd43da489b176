"""The arguments of a task's function: its signature, and what can be called with it."""
