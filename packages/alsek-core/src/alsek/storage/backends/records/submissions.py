"""New messages, and the answer to a submission."""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.storage.backends.records.group_place import GroupPlace
from alsek.storage.backends.records.keys import Limit, UniqueKey
from alsek.storage.backends.states import UuidState
from alsek.types import Wish

#: The request under which a replay stores a message. No call of a producer has this name.
REPLAYED: Final = "replay"

#: A duration that never ends.
FOR_EVER: Final = -1


class Submission(NamedTuple):
    """A new message: the serialized message, and the header that the store reads.

    Attributes:
        uuid: The name of the message, unique in the namespace over all queues.
        queue: The queue in which it waits.
        payload: The serialized message. A store never reads it.
        priority: Any integer >= 0. Messages with a lower number are claimed first.
        wish: The kind of pool that may take it, and whether its task is an ``async def``.
        delay: How long it is delayed, from when the store accepts it, on the store's clock.
        ttl: How long it may be ready before it expires; 0 for no end. The time counts from when the message is
            accepted, or from when its delay is over, even if no worker promotes it then. It starts again when the
            message is given back, unless it has expired before. A retried message never expires.
        status_ttl: How long each of its statuses is kept; 0 if it is not tracked, ``FOR_EVER`` if its statuses stay.
        named: True if the caller chose the uuid, so that an earlier message may have had it: what is left of that
            message is removed when this one is stored. False if the uuid was made for this message.
        unique: The key that it holds alone; None for none.
        limits: The limits that must admit it before it is ready; each id once.
        group: Its place in a group; None if it is in none.
        joins: The group whose callback it is; empty if it is none.
    """

    uuid: str
    queue: str
    payload: bytes
    priority: int = 0
    wish: Wish = "any"
    delay: int = 0
    ttl: int = 0
    status_ttl: int = 0
    named: bool = False
    unique: UniqueKey | None = None
    limits: tuple[Limit, ...] = ()
    group: GroupPlace | None = None
    joins: str = ""


class Added(NamedTuple):
    """The answer to one submission.

    Attributes:
        accepted: The message is stored, or was stored by the same request before.
        existing: The uuid of the message because of which the submission was refused: its own if its uuid is not new,
            another one if that holds its unique key. If it was accepted: the uuid of the message that it has replaced,
            and under which it is stored; else empty.
        state: The state of the message because of which it was refused, after the step that has refused it: a later
            submission of the same call may have replaced that message. It may be ``"finished"``: then the message is
            no longer stored. None if the submission was accepted, or if the store can't read that message's record.
    """

    accepted: bool
    existing: str = ""
    state: UuidState | None = None


#: The answer to each submission that is accepted, so that no object is made for it.
ACCEPTED: Final = Added(True)
