"""Counts the members of groups that have ended, and does what follows: callbacks, failures, ends of parents.

The ends of one operation are settled after everything else that it does, but before a claim. One may lead to another,
in a loop: a group that joins or fails ends in its parent.
"""

from __future__ import annotations

from alsek.storage.backends.memory.messages.groups.ends import EmptyGroup, EndedCallback, EndedMember
from alsek.storage.backends.memory.messages.groups.keeping import parent_of, release
from alsek.storage.backends.memory.messages.groups.stored_group import StoredGroup
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.records import GroupMember, GroupState, GroupSubmission, MemberEnd


def create(table: MessageTable, submission: GroupSubmission, request: str) -> bool:
    """Store a group; return False if its id is another's, or its parent is not stored."""
    stored = table.groups.get(submission.id)
    if stored is not None:
        return bool(request) and stored.request == request
    group = StoredGroup(submission, request)
    parent = parent_of(table, group)
    if submission.parent is not None and parent is None:
        return False
    table.groups.put(group.id, group, None)
    if parent is not None:
        parent.children.append(group.id)
    if group.is_complete:
        table.group_ends.append(EmptyGroup(group.id))
    return True


def settle(table: MessageTable) -> None:
    """Count what has ended in this operation, and do what follows."""
    while table.group_ends:
        ended = table.group_ends.popleft()
        if isinstance(ended, EndedMember):
            _count(table, ended)
            continue
        group = table.groups.get(ended.group)
        if group is None:
            continue
        if isinstance(ended, EndedCallback):
            _end(table, group)
        else:
            _join(table, group)


def revoke(table: MessageTable, group_id: str) -> bool:
    """Revoke a group that is open, and the groups in it; return False if it is not stored."""
    group = table.groups.get(group_id)
    if group is None:
        return False
    found = [group]
    while found:
        group = found.pop()
        if group.state == "open":
            _close(table, group, "revoked")
            _tell_parent(table, group, group.id, "revoked", b"")
            _end_without_callback(table, group, group.id)
        found.extend(child for child in map(table.groups.get, group.children) if child is not None)
    return True


def _count(table: MessageTable, ended: EndedMember) -> None:
    group = table.groups.get(ended.place.group)
    number = ended.place.number
    if group is None or number in group.members or not 0 <= number < group.submission.total:
        return
    member = group.members[number] = GroupMember(number, ended.uuid, ended.end, ended.payload)
    if group.state != "open":
        return
    if group.submission.stop and member.end in ("failed", "revoked"):
        group.failure = member
        _close(table, group, "failed")
        _tell_parent(table, group, member.uuid, "failed", member.payload)
        _end_without_callback(table, group, member.uuid)
    elif group.is_complete:
        _join(table, group)


def _join(table: MessageTable, group: StoredGroup) -> None:
    _close(table, group, "joined")
    callback = group.submission.callback
    if callback is None or not add_one(table, callback, request="").accepted:
        _tell_parent(table, group, group.id, "group", b"")
        _end(table, group)


def _close(table: MessageTable, group: StoredGroup, state: GroupState) -> None:
    group.state = state
    table.store.publish(f"groups:{group.id}")


def _tell_parent(table: MessageTable, group: StoredGroup, uuid: str, end: MemberEnd, payload: bytes) -> None:
    if group.parent is not None:
        table.group_ends.append(EndedMember(group.parent, uuid, end, payload))


def _end_without_callback(table: MessageTable, group: StoredGroup, because_of: str) -> None:
    table.results.note_failed_parent(group.submission.unreachable, because_of)
    _end(table, group)


def _end(table: MessageTable, group: StoredGroup) -> None:
    group.ended = True
    release(table, group)
