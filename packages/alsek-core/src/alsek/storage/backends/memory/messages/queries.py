"""Reads messages as they are stored now. Nothing here changes anything."""

from __future__ import annotations

from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.records import Stored


def get(table: MessageTable, queue: str, uuid: str) -> Stored | None:
    """Return a message, or None."""
    message = table.find(queue, uuid)
    return None if message is None else message.as_stored()


def count(table: MessageTable, queue: str) -> int:
    """Return how many messages a queue holds."""
    return len(table.queues[queue].messages) if queue in table.queues else 0


def uuids(table: MessageTable, queue: str) -> list[str]:
    """Return the uuids of a queue's messages."""
    return list(table.queues[queue].messages) if queue in table.queues else []
