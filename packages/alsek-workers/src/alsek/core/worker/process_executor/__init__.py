"""The executor of a process pool: runs jobs in child processes that a template forks."""
