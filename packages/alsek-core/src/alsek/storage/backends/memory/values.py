"""The values of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import ValuePort
from alsek.storage.backends.records import FOR_EVER


class MemoryValues(ValuePort):
    """Values in a dict."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(self, name: str, value: bytes, ttl: int = FOR_EVER, only_new: bool = False) -> bool:
        with self._store.lock:
            if only_new and self._store.values.get(name) is not None:
                return False
            self._store.values.put(name, value, ttl)
            return True

    def get(self, name: str) -> bytes | None:
        with self._store.lock:
            return self._store.values.get(name)

    def delete(self, name: str) -> bool:
        with self._store.lock:
            return self._store.values.pop(name) is not None

    def scan(self, pattern: str) -> Iterator[str]:
        with self._store.lock:
            names = [name for name, _ in self._store.values.items()]
        yield from (name for name in names if fnmatchcase(name, pattern))
