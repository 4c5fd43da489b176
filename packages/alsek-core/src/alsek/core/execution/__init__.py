"""Running a message: a worker's session with the store, one attempt, and its conclusion."""
