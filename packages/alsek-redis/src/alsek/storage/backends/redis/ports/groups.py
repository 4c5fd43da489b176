"""The group port on Redis: a HASH for each group, and one for the ends of its members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from alsek.storage.backends.ports import GroupPort
from alsek.storage.backends.records import (
    GroupMember,
    GroupPlace,
    GroupRecord,
    GroupState,
    GroupSubmission,
    MemberEnd,
)
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, command, exchange
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import group_arguments
from alsek.storage.backends.redis.ports.request_id import request_id

_ENDS: Final[dict[bytes, MemberEnd]] = {b"s": "succeeded", b"f": "failed", b"r": "revoked", b"g": "group"}

#: So many members are read in one command.
_MOST: Final = 1000


class RedisGroups(GroupPort):
    """Groups by their ids.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._create = make_call("group_create")
        self._revoke = make_call("group_revoke")

    @exchange
    def create(self, group: GroupSubmission, request: str) -> Exchange[bool]:
        return bool((yield from self._create.ask(request_id(request), *group_arguments(group))))

    @exchange
    def get(self, group: str) -> Exchange[GroupRecord | None]:
        counts = ("total", "succeeded", "failed", "revoked")
        others = ("state", "stop", "callback_uuid", "failure", "parent")
        found = yield from command("HMGET", self._keys.group(group), *counts, *others)
        return None if found[0] is None else _group_from(group, found)

    @exchange
    def members(self, group: str, first: int, count: int) -> Exchange[list[GroupMember]]:
        members: list[GroupMember] = []
        last = first + count
        for start in range(max(first, 0), last, _MOST):
            numbers = range(start, min(start + _MOST, last))
            found = yield from command("HMGET", self._keys.members(group), *map(str, numbers))
            ends = zip(numbers, found, strict=True)
            members += [_member_from(number, end) for number, end in ends if end is not None]
        return members

    @exchange
    def revoke(self, group: str) -> Exchange[bool]:
        return bool((yield from self._revoke.ask(group.encode())))


def _group_from(group: str, found: Sequence[Any]) -> GroupRecord:
    total, succeeded, failed, revoked, state, stop, callback, failure, parent = found
    return GroupRecord(
        group,
        int(total),
        int(succeeded),
        int(failed),
        int(revoked),
        cast(GroupState, state.decode()),
        stop == b"1",
        callback.decode(),
        _failure_from(failure),
        GroupPlace.of_text(parent.decode()) if parent else None,
    )


def _failure_from(failure: bytes | None) -> GroupMember | None:
    if failure is None:
        return None
    number, _, end = failure.partition(b"|")
    return _member_from(int(number), end)


def _member_from(number: int, end: bytes) -> GroupMember:
    """What ``write_members()`` in ``shared/group_ends.lua`` wrote of a member."""
    uuid, _, payload = end[1:].partition(b"\n")
    return GroupMember(number, uuid.decode(), _ENDS[end[:1]], payload)
