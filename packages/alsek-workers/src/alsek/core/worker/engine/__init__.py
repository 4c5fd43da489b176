"""The engine: claims messages, hands them to an executor, and reports outcomes."""
