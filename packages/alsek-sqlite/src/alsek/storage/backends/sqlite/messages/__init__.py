"""The message port on SQLite: one module for each phase of a step."""
