"""Whether the group of a message still awaits it."""

from __future__ import annotations

from collections.abc import Iterator

from alsek.storage.backends.memory.messages.groups.ends import place_of
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import GroupState


def is_dropped(table: MessageTable, message: StoredMessage) -> bool:
    """Return True if a message that is claimed now counts as revoked: a group that it is in awaits it no more."""
    return any(state in (None, "failed", "revoked") for state in _states(table, message))


def is_revoked(table: MessageTable, message: StoredMessage) -> bool:
    """Return True if the holder of a message is to learn that it is revoked: by itself, or by a group."""
    return message.revoked or any(state in (None, "revoked") for state in _states(table, message))


def _states(table: MessageTable, message: StoredMessage) -> Iterator[GroupState | None]:
    """The states of the group in which a message is, of that one's parent, and so on; None for one that is gone."""
    place = place_of(message)
    while place is not None:
        group = table.groups.get(place.group)
        yield None if group is None else group.state
        place = None if group is None else group.parent
