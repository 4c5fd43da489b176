"""Groups: messages that are counted together, and what follows when all have ended."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from alsek.defaults import DEFAULT_GROUP_TTL
from alsek.storage.backends.records.group_place import GroupPlace
from alsek.storage.backends.records.submissions import Submission

#: ``"open"``: members are awaited. The others are final. ``"joined"``: all members have ended, and the callback, if
#: there is one, was submitted. ``"failed"``: a member did not succeed, and the group stops at that.
#: ``"revoked"``: it was revoked by hand.
GroupState: TypeAlias = Literal["open", "joined", "failed", "revoked"]

#: How a member ended. ``"group"``: it was a group without a callback, and has joined.
MemberEnd: TypeAlias = Literal["succeeded", "failed", "revoked", "group"]


class GroupSubmission(NamedTuple):
    """A new group, without its members, which are submitted after it.

    Attributes:
        id: A random name.
        total: How many members it has. It joins when so many have ended; with 0 at once.
        stop: The first member that does not succeed fails the group, and those that have not started are revoked.
        ttl: How long (ms) it is kept, with the results of its members, after it has ended; ``FOR_EVER`` allowed.
        callback: Submitted when it joins. Its ``joins`` is `id`; its ``group`` is `parent`.
        unreachable: The uuids of the callback and of the callbacks after it. If the group fails or is revoked, they
            will not be submitted: see :meth:`~alsek.storage.backends.ports.ResultPort.failed_parents`.
        parent: Its own place in another group, which must have been created before.
    """

    id: str
    total: int
    stop: bool = True
    ttl: int = DEFAULT_GROUP_TTL
    callback: Submission | None = None
    unreachable: tuple[str, ...] = ()
    parent: GroupPlace | None = None


class GroupMember(NamedTuple):
    """How a member of a group ended.

    Attributes:
        number: Its number in the group.
        uuid: The message with which it ended: the last one of its chain, or the one that failed. If `end` is
            ``"group"``, the id of that group.
        end: How it ended.
        payload: The serialized result, or the error as in :class:`Failed`; empty if there is none.
    """

    number: int
    uuid: str
    end: MemberEnd
    payload: bytes = b""


class GroupRecord(NamedTuple):
    """A group as the store knows it.

    Attributes:
        id: Its id.
        total: How many members it has.
        succeeded: How many members have succeeded; those that are groups and have joined are among them.
        failed: How many have failed.
        revoked: How many were revoked or removed.
        state: Its state.
        stop: As in :class:`GroupSubmission`.
        callback: The uuid of its callback; empty if it has none.
        failure: Because of which member it failed; None if it has not.
        parent: As in :class:`GroupSubmission`.
    """

    id: str
    total: int
    succeeded: int = 0
    failed: int = 0
    revoked: int = 0
    state: GroupState = "open"
    stop: bool = True
    callback: str = ""
    failure: GroupMember | None = None
    parent: GroupPlace | None = None
