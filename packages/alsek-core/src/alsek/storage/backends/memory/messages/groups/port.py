"""The group port of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from alsek.storage.backends.memory.messages.groups import counting
from alsek.storage.backends.memory.messages.port import MemoryMessages
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import GroupPort
from alsek.storage.backends.records import GroupMember, GroupRecord, GroupSubmission


class MemoryGroups(GroupPort):
    """Groups in a dict.

    Args:
        store: What the ports of the backend share.
        messages: The message port.
    """

    def __init__(self, store: MemoryStore, messages: MemoryMessages) -> None:
        self._lock = store.lock
        self._messages = messages
        self._table = messages.table

    def create(self, group: GroupSubmission, request: str) -> bool:
        with self._lock:
            stored = counting.create(self._table, group, request)
            self._messages.wake()
            return stored

    def get(self, group: str) -> GroupRecord | None:
        with self._lock:
            found = self._table.groups.get(group)
            return None if found is None else found.as_record()

    def members(self, group: str, first: int, count: int) -> list[GroupMember]:
        with self._lock:
            found = self._table.groups.get(group)
            members = {} if found is None else found.members
            return [members[number] for number in range(first, first + count) if number in members]

    def revoke(self, group: str) -> bool:
        with self._lock:
            stored = counting.revoke(self._table, group)
            self._messages.wake()
            return stored
