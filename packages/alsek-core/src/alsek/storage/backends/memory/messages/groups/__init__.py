"""The groups of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""
