"""The results of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alsek.defaults import FAILED_PARENT_TTL
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.records import FOR_EVER, ResultRecord


class MemoryResults(ResultPort):
    """Results in a dict."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        with self._store.lock:
            stored = self._store.results.get(uuid)
            if stored is not None and stored[0].token > token:
                return False
            self.write(uuid, payload, ttl, token, progenitor)
            return True

    def write(self, uuid: str, payload: bytes, ttl: int, token: int, progenitor: str | None) -> None:
        """Store and publish the result of an accepted outcome, whatever was stored: its claim is the current one."""
        store = self._store
        record = ResultRecord(uuid, bytes(payload), store.clock(), token)
        store.results.put(uuid, (record, progenitor), ttl)
        store.publish(f"results:{uuid}")

    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        with self._store.lock:
            found = [self._store.results.get(uuid) for uuid in uuids]
        return [None if entry is None else entry[0] for entry in found]

    def descendants(self, uuid: str) -> list[ResultRecord]:
        with self._store.lock:
            entries = self._store.results.items()
        return [record for key, (record, progenitor) in entries if progenitor == uuid and key != uuid]

    def failed_parents(self, uuids: Sequence[str]) -> list[str | None]:
        with self._store.lock:
            return [self._store.failed_parents.get(uuid) for uuid in uuids]

    def note_failed_parent(self, uuids: Iterable[str], parent: str) -> None:
        """Note and publish that these callbacks will not be submitted, because of the failure of a message."""
        for uuid in uuids:
            self._store.failed_parents.put(uuid, parent, FAILED_PARENT_TTL)
            self._store.publish(f"results:{uuid}")

    def forget_failed_parent(self, uuids: Iterable[str]) -> None:
        """Delete such notes."""
        for uuid in uuids:
            self._store.failed_parents.pop(uuid)

    def delete(self, uuids: Sequence[str]) -> int:
        with self._store.lock:
            return sum(self._store.results.pop(uuid) is not None for uuid in uuids)
