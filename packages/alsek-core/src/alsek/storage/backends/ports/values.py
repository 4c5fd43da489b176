"""Values by name: a small key/value store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from alsek.storage.backends.records import FOR_EVER


class ValuePort(ABC):
    """Serialized values, by name. A name is without the namespace here."""

    def exists(self, name: str) -> bool:
        """True if there is a value of this name."""
        return self.get(name) is not None

    @abstractmethod
    def put(self, name: str, value: bytes, ttl: int = FOR_EVER, only_new: bool = False) -> bool:
        """Store a value, with `only_new` only if there is none; returns whether it was stored."""

    @abstractmethod
    def get(self, name: str) -> bytes | None:
        """The value of this name, or None."""

    @abstractmethod
    def delete(self, name: str) -> bool:
        """Delete a value; returns whether there was one."""

    @abstractmethod
    def scan(self, pattern: str) -> Iterator[str]:
        """The names that match a glob pattern, each once, read in batches."""
