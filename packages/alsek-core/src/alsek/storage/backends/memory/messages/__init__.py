"""The message port of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""
