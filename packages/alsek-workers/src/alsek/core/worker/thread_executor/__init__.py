"""The executor of a thread pool: runs jobs in threads."""
