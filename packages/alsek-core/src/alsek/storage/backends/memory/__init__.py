"""The store in memory: the reference for the other stores, and a store for tests."""

from alsek.storage.backends.memory.standard import MemoryBackend

__all__ = ["MemoryBackend"]
