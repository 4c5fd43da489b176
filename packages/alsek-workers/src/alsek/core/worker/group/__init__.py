"""A worker group: the process that runs an engine and its executor."""
