"""Groups, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from alsek.exceptions import BackendError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import GroupRecord
from alsek.storage.backends.records.groups import GroupState
from alsek.storage.backends.states import MessageState

#: In so many queues, those with the most messages, members are looked for, and so many messages of each state.
_MOST_QUEUES: Final = 10
_MOST_MESSAGES: Final = 200
_STATES: Final[tuple[MessageState, ...]] = ("claimed", "ready", "delayed")


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A group, and how many of its members have ended.

    Attributes:
        id: Its id.
        state: ``"open"``: members are awaited; ``"joined"``: all have ended; ``"failed"``; ``"revoked"``.
        total: How many members it has. A member that is a group counts as one.
        succeeded: How many have succeeded.
        failed: How many have failed for good.
        revoked: How many were revoked or removed.
        stops: The first member that does not succeed fails the group.
        callback: The uuid of its callback; None if it has none.
        failed_with: The uuid of the message because of which it failed; None if there is none.
        parent: The id of the group of which it is a member; None if it is in none.
    """

    id: str
    state: GroupState
    total: int
    succeeded: int
    failed: int
    revoked: int
    stops: bool
    callback: str | None
    failed_with: str | None
    parent: str | None

    @property
    def pending(self) -> int:
        """How many members have not ended."""
        return max(0, self.total - self.succeeded - self.failed - self.revoked)


def group_of(backend: Backend, group: str) -> GroupInfo | None:
    """Return a group; None if it is not stored, or if the backend keeps no groups."""
    record = backend.groups.get(group) if keeps_groups(backend) else None
    return None if record is None else _info(record)


def groups_of(backend: Backend, most: int) -> list[GroupInfo]:
    """Return up to `most` groups whose members are running, ready or delayed, in the order of their ids.

    Members are looked for among the first messages of the largest queues.
    """
    if not keeps_groups(backend):
        return []
    port = backend.messages
    largest = nlargest(
        _MOST_QUEUES, port.tallies(), key=lambda tally: tally.claimed * 1_000_000 + tally.ready
    )
    found: dict[str, None] = {}
    for tally in largest:
        for state in _STATES:
            for stored in port.peek(tally.queue, state, _MOST_MESSAGES):
                if stored.group is not None:
                    found.setdefault(stored.group.group)
                elif stored.joins:
                    found.setdefault(stored.joins)
    infos = (group_of(backend, group) for group in sorted(found)[:most])
    return [info for info in infos if info is not None]


def keeps_groups(backend: Backend) -> bool:
    """Return True if the backend keeps groups."""
    try:
        _ = backend.groups
    except BackendError:
        return False
    return True


def _info(record: GroupRecord) -> GroupInfo:
    return GroupInfo(
        record.id,
        record.state,
        record.total,
        record.succeeded,
        record.failed,
        record.revoked,
        record.stop,
        record.callback or None,
        None if record.failure is None else record.failure.uuid,
        None if record.parent is None else record.parent.group,
    )
