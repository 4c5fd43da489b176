"""What is kept beside messages: results, statuses and locks."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class TaskStatus(IntEnum):
    """The status of a message. FAILED and SUCCEEDED are final."""

    UNKNOWN = 0
    SUBMITTED = 1
    RUNNING = 2
    RETRYING = 3
    FAILED = 4
    SUCCEEDED = 5


class ResultRecord(NamedTuple):
    """A stored result.

    Attributes:
        payload: The serialized result.
        timestamp: When it was written: Unix milliseconds on the store's clock.
        token: The token of the claim that wrote it; 0 if it was written without a claim.
    """

    uuid: str
    payload: bytes
    timestamp: int
    token: int

    def pack(self) -> bytes:
        """Return ``<timestamp>|<token>|<payload>`` as bytes, as stores publish it; the uuid is left out."""
        return b"%d|%d|%b" % (self.timestamp, self.token, self.payload)

    @classmethod
    def unpack(cls, uuid: str, data: bytes) -> ResultRecord:
        """Read the bytes that :meth:`pack` made. A store may have added text to the token, after a ``^``.

        Raises:
            ValueError: The bytes are not a result.
        """
        timestamp, token, payload = data.split(b"|", 2)
        return cls(uuid, payload, int(timestamp), int(token.partition(b"^")[0]))


class StatusRecord(NamedTuple):
    """A stored status, its details (serialized), and when it was written: Unix milliseconds on the store's clock."""

    uuid: str
    status: TaskStatus
    details: bytes | None
    timestamp: int

    def pack(self) -> bytes:
        """Return ``<status>|<timestamp>|<details>`` as bytes, as stores keep and publish it; the uuid is left out."""
        return b"%d|%d|%b" % (self.status, self.timestamp, self.details or b"")

    @classmethod
    def unpack(cls, uuid: str, data: bytes) -> StatusRecord:
        """Read the bytes that :meth:`pack` made.

        Raises:
            ValueError: The bytes are not a status.
        """
        status, timestamp, details = data.split(b"|", 2)
        return cls(uuid, TaskStatus(int(status)), details or None, int(timestamp))


class LockRecord(NamedTuple):
    """The owner of a lock, when it expires (Unix milliseconds on the store's clock), and its fence number."""

    owner: str
    expires_at: int
    fence: int
