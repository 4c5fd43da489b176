"""How long groups are kept: as long as something follows of them, or of their parents, and then for their ttl."""

from __future__ import annotations

from alsek.storage.backends.memory.messages.groups.stored_group import StoredGroup
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.records import FOR_EVER


def parent_of(table: MessageTable, group: StoredGroup) -> StoredGroup | None:
    """Return the group of which this one is a member; None if there is none, or it is not stored."""
    return None if group.parent is None else table.groups.get(group.parent.group)


def release(table: MessageTable, group: StoredGroup) -> None:
    """Let a group expire that has ended, and the groups in it that have; not yet if its parent is kept.

    None expires before its parent.
    """
    found = [group]
    while found:
        group = found.pop()
        parent = parent_of(table, group)
        if not group.ended or (parent is not None and not parent.released):
            continue
        group.released = True
        table.groups.put(group.id, group, _ttl(table, group, parent))
        found.extend(_children(table, group))


def hold(table: MessageTable, group_id: str) -> None:
    """Keep a group, and those in it, because its callback is submitted, for the first time or again."""
    group = table.groups.get(group_id)
    if group is None or not group.ended:
        return
    group.ended = False
    found = [group]
    while found:
        group = found.pop()
        group.released = False
        table.groups.put(group.id, group, None)
        found.extend(_children(table, group))


def _ttl(table: MessageTable, group: StoredGroup, parent: StoredGroup | None) -> int:
    own = group.submission.ttl
    if parent is None or own == FOR_EVER:
        return own
    expiry = table.groups.expiry(parent.id)
    return FOR_EVER if expiry is None else max(own, expiry - table.store.clock())


def _children(table: MessageTable, group: StoredGroup) -> list[StoredGroup]:
    found = (table.groups.get(child) for child in group.children)
    return [child for child in found if child is not None]
