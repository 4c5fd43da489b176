"""What transitions are told of messages that end, or that are new."""

from __future__ import annotations

from typing import NamedTuple

from alsek.storage.backends.endings import End
from alsek.storage.backends.records import Limit
from alsek.storage.backends.sqlite.lanes import Lane


class Ended(NamedTuple):
    """A message that has ended.

    Attributes:
        message: Its id.
        uuid: Its uuid.
        status_ttl: The lifetime of its statuses.
        how: What ended it.
        tail: The tail of its header if it has bonds or reports, or may have; else empty.
        payload: The serialized result or error, for its group.
        revoked: It has failed because it was revoked.
        dlq_ttl: How long its dead letter is kept; 0 if there is none.
    """

    message: int
    uuid: str
    status_ttl: int
    how: End
    tail: str = ""
    payload: bytes = b""
    revoked: bool = False
    dlq_ttl: int = 0


class New(NamedTuple):
    """A message with bonds whose row was just added.

    Attributes:
        message: Its id.
        due: When it becomes ready; None if it is ready now.
        lane: Where it will be ready.
        limits: Its limits.
        behind: It waits behind the holder of its unique key.
        suspect: It is a suspect.
    """

    message: int
    due: int | None
    lane: Lane
    limits: tuple[Limit, ...]
    behind: bool = False
    suspect: bool = False
