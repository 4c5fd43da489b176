"""What follows when members of groups end: groups join or fail, and may end as members of others.

What has ended is noted in the transaction (``Transaction.bound_ends``), and settled after everything else that the
operation does, but before a claim. One end may lead to another: these are worked off in a loop, however deep groups are
nested.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from alsek.storage.backends.endings import End
from alsek.storage.backends.records import GroupPlace, GroupState, GroupSubmission, MemberEnd
from alsek.storage.backends.sqlite.database.expiry import PLACES
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import failed_parents, groups
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.groups import GroupRow
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.submissions import insert

#: How a member has ended, by how its message did. What was moved is in no group.
_ENDS: Final[dict[End, MemberEnd]] = {
    End.SUCCEEDED: "succeeded",
    End.FAILED: "failed",
    End.FAILED_BY_HAND: "failed",
    End.CORRUPT: "failed",
    End.REMOVED: "revoked",
    End.REPLACED: "revoked",
}

_NOTE: Final = "INSERT OR IGNORE INTO group_members (place, uuid, how, payload) VALUES (?, ?, ?, ?)"
_COUNT: Final = """
    UPDATE message_groups SET succeeded = succeeded + ?, failed = failed + ?, revoked = revoked + ? WHERE id = ?
"""
_CLOSE: Final = "UPDATE message_groups SET state = ?, failure = ? WHERE id = ?"
#: The groups in a group.
_WITHIN: Final = "SELECT name FROM message_groups WHERE within = ? ORDER BY id"


class EndedMember(NamedTuple):
    """A place in a group has come to its end: it, and the fields of a group member."""

    place: GroupPlace
    uuid: str
    end: MemberEnd
    payload: bytes = b""


class EndedCallback(NamedTuple):
    """The callback of this group has ended."""

    group: str


class EmptyGroup(NamedTuple):
    """A group without members was created."""

    group: str


#: One thing that groups must know of.
GroupEnd: TypeAlias = EndedMember | EndedCallback | EmptyGroup


def create(tx: Transaction, group: GroupSubmission, request: str) -> bool:
    """Store a new group; one without members joins at once.

    Returns:
        True if it was stored, now or before by this request.
    """
    made = make(tx, group, request)
    if made and not group.total:
        settle(tx, more=[EmptyGroup(group.id)])
    return made


def make(tx: Transaction, group: GroupSubmission, request: str) -> bool:
    """Store a new group, as :func:`create`. If it has no members, the caller settles that."""
    if groups.make(tx, group, request):
        return True
    row = groups.find(tx, group.id)
    return row is not None and bool(request) and row.request == request


def settle(tx: Transaction, going_on: Collection[str] = (), more: Iterable[GroupEnd | Ended] = ()) -> None:
    """Count what has ended in this transaction, and do what follows.

    Args:
        tx: The transaction.
        going_on: The uuids of messages that have succeeded and whose callbacks have their places: no ends of members.
        more: What has ended after the messages that are noted in the transaction.
    """
    ends = _group_ends([*take_ends(tx), *more], going_on)
    if ends:
        _Settling(tx).run(ends)


def take_ends(tx: Transaction) -> list[Ended]:
    """Return the messages whose ends are noted in a transaction, and note none any more."""
    ended, tx.bound_ends = tx.bound_ends, []
    return ended


def _group_ends(ended: Iterable[GroupEnd | Ended], going_on: Collection[str] = ()) -> list[GroupEnd]:
    ends: list[GroupEnd] = []
    for each in ended:
        if isinstance(each, Ended):
            ends += _ends_of(each, going_on)
        else:
            ends.append(each)
    return ends


def _ends_of(message: Ended, going_on: Collection[str]) -> Iterator[GroupEnd]:
    bonds = bonds_of(message.tail)
    end = _ENDS.get(message.how)
    if bonds.group is not None and end is not None and message.uuid not in going_on:
        yield EndedMember(
            bonds.group, message.uuid, "revoked" if message.revoked else end, bytes(message.payload)
        )
    if bonds.joins:
        yield EndedCallback(bonds.joins)


@dataclass(slots=True)
class _Counted:
    """A group while its members are counted: as it was found, its state now, and what is to be added to its counts."""

    row: GroupRow
    state: GroupState
    succeeded: int = 0
    failed: int = 0
    revoked: int = 0

    @property
    def is_complete(self) -> bool:
        row = self.row
        before = row.succeeded + row.failed + row.revoked
        return before + self.succeeded + self.failed + self.revoked >= row.total


class _Settling:
    """Works off what has ended.

    Args:
        tx: The transaction.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._groups: dict[str, _Counted | None] = {}
        self._left: deque[GroupEnd] = deque()

    def run(self, ends: Iterable[GroupEnd]) -> None:
        """Count these, in this order, and then what they lead to."""
        self._left.extend(ends)
        while self._left:
            end = self._left.popleft()
            self._settle(end)
            if self._tx.bound_ends:  # a callback has replaced another message of its unique key
                self._left.extend(_group_ends(take_ends(self._tx)))
        rows = [
            (each.succeeded, each.failed, each.revoked, each.row.id) for each in self._groups.values() if each
        ]
        self._tx.executemany(_COUNT, [row for row in rows if any(row[:3])])

    def _settle(self, end: GroupEnd) -> None:
        if isinstance(end, EndedMember):
            self._count(end)
            return
        group = self._group(end.group)
        if group is None:
            return
        if isinstance(end, EndedCallback):
            groups.release(self._tx, group.row)
        elif group.state == "open":
            self._join(group)

    def _group(self, name: str) -> _Counted | None:
        if name not in self._groups:
            row = groups.find(self._tx, name)
            self._groups[name] = None if row is None else _Counted(row, row.state)
        return self._groups[name]

    def _count(self, end: EndedMember) -> None:
        number = end.place.number
        group = self._group(end.place.group)
        if group is None or not 0 <= number < group.row.total:
            return
        noted = (group.row.id * PLACES + number, end.uuid, end.end, end.payload)
        if self._tx.execute(_NOTE, noted).rowcount != 1:
            return
        if end.end == "failed":
            group.failed += 1
        elif end.end == "revoked":
            group.revoked += 1
        else:
            group.succeeded += 1
        if group.state != "open":
            return
        if group.row.stop and end.end in ("failed", "revoked"):
            self._fail(group, end)
        elif group.is_complete:
            self._join(group)

    def _join(self, group: _Counted) -> None:
        group.state = "joined"
        callback, _ = close(self._tx, group.row, "joined")
        if callback is None or not insert(self._tx, callback, request=""):
            self._tell_parent(group.row, group.row.name, "group", b"")
            groups.release(self._tx, group.row)

    def _fail(self, group: _Counted, member: EndedMember) -> None:
        group.state = "failed"
        _, unreachable = close(self._tx, group.row, "failed", member.place.number)
        self._tell_parent(group.row, member.uuid, "failed", member.payload)
        failed_parents.note(self._tx, unreachable, member.uuid)
        groups.release(self._tx, group.row)

    def _tell_parent(self, row: GroupRow, uuid: str, end: MemberEnd, payload: bytes) -> None:
        if row.place is not None:
            self._left.append(EndedMember(row.place, uuid, end, payload))


def close(tx: Transaction, row: GroupRow, state: GroupState, failure: int | None = None) -> groups.Sequel:
    """End a group that is open; return what was to follow."""
    tx.execute(_CLOSE, (state, failure, row.id))
    tx.notes.append((f"groups:{row.name}", b""))
    return groups.take_sequel(tx, row)


def revoke(tx: Transaction, name: str) -> bool:
    """Revoke a group, and the groups in it, as far as they are open; True if it is stored."""
    top = groups.find(tx, name)
    if top is None:
        return False
    ended: list[GroupEnd] = []
    found = [top]
    while found:
        row = found.pop()
        if row.state == "open":
            _, unreachable = close(tx, row, "revoked")
            failed_parents.note(tx, unreachable, row.name)
            groups.release(tx, row)
            if row.place is not None:
                ended.append(EndedMember(row.place, row.name, "revoked"))
        names = tx.execute(_WITHIN, (row.id,)).fetchall()
        found += [within for within in (groups.find(tx, each) for (each,) in names) if within is not None]
    settle(tx, more=ended)
    return True
