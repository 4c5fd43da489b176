"""The ways in which a message leaves a store for good, and what each one leaves behind."""

from __future__ import annotations

from enum import Enum

from alsek.storage.backends.records import TaskStatus


class End(Enum):
    """How a message ended.

    Attributes:
        status: The status that is written for it, if it is tracked. None if none is, and nothing is published: it goes
            on in another store.
        uuid_taken: True if its uuid is refused for a while. False if a new message may use it, and only the request
            that submitted it is remembered. None if nothing is remembered.
    """

    #: Its worker reported a result.
    SUCCEEDED = (TaskStatus.SUCCEEDED, True)
    #: Its worker reported that it failed for good.
    FAILED = (TaskStatus.FAILED, True)
    #: It was moved to the dead letters by hand.
    FAILED_BY_HAND = (TaskStatus.FAILED, False)
    #: It was removed by hand. A status that is final is kept.
    REMOVED = (TaskStatus.UNKNOWN, False)
    #: Its record can't be read, so the request in it can't be trusted.
    CORRUPT = (TaskStatus.FAILED, None)
    #: It was moved to another store (``ports/transfer.py``).
    MOVED = (None, False)
    #: A submission of the same unique key took its place, and its uuid: that message goes on under it.
    REPLACED = (None, None)

    def __init__(self, status: TaskStatus | None, uuid_taken: bool | None) -> None:
        self.status = status
        self.uuid_taken = uuid_taken
