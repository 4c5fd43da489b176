"""The arguments of a task's function: its signature, and checks of calls."""
