"""What is in a store, for people: queues, workers, messages, dead letters, and why a message is not running."""
