"""A message as a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from alsek.storage.backends.header import RECORD_VERSION, tail_values
from alsek.storage.backends.kinds import is_async
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages.lines import Line, Place
from alsek.storage.backends.records import Claimed, Located, Stored, Submission
from alsek.storage.backends.states import MessageState

#: Before the unique key in what a message waits for.
_KEY_PREFIX: Final = "u:"

#: The place of a delayed message: (when it is due, in which order it was delayed, uuid).
Due: TypeAlias = tuple[int, int, str]


@dataclass(eq=False, slots=True)
class StoredMessage:
    """A stored message: what was submitted, and its state.

    Attributes:
        submission: What was submitted.
        request: The request that submitted it; empty for a callback, which the store submits itself.
        payload: The serialized message, as it was submitted or as the last retry left it.
        state: Its state.
        due: Its place while it is delayed.
        arrival: A number that grows with each message that becomes ready. It is kept when the message is given back.
        ready_since: When its lifetime began.
        losses: How many workers were lost that held it.
        revoked: It was revoked.
        suspect: It was in a process that died with several messages in it.
        expired: Its lifetime was over when it was claimed.
        aside: The task for which it is set aside; empty if it is not.
        token: The token of the current claim; 0 if it is not claimed.
        holder: The id of the worker that has this claim.
        seq: The step of the holder that claimed it.
        tail: The fields of the header that no store reads.
        version: The version of this record. A version that is not known can't be read.
        awaited_key: The unique key behind whose holder it waits; None if it does not.
        line: The line in which it waits for a limit; None if it does not.
    """

    submission: Submission
    request: str
    payload: bytes
    state: MessageState = "delayed"
    due: Due = (0, 0, "")
    arrival: int = 0
    ready_since: int = 0
    losses: int = 0
    revoked: bool = False
    suspect: bool = False
    expired: bool = False
    aside: str = ""
    token: int = 0
    holder: str | None = None
    seq: int = 0
    version: int = RECORD_VERSION
    tail: str = ""
    awaited_key: str | None = None
    line: Line | None = None

    @property
    def uuid(self) -> str:
        return self.submission.uuid

    @property
    def queue(self) -> str:
        return self.submission.queue

    @property
    def lane(self) -> Lane:
        return Lane(self.queue, self.submission.wish, self.suspect, self.aside)

    @property
    def place(self) -> Place:
        return (self.submission.priority, self.arrival, self.uuid)

    @property
    def due_at(self) -> int | None:
        """When it becomes ready; None if it is not delayed."""
        return self.due[0] if self.state == "delayed" else None

    @property
    def expires_at(self) -> int | None:
        """Until when it may be ready; None for no end, and while it is delayed."""
        ttl = self.submission.ttl
        return self.ready_since + ttl if ttl and self.state != "delayed" else None

    @property
    def awaits_key(self) -> bool:
        """True if it waits behind the holder of its unique key."""
        return self.awaited_key is not None

    @property
    def waits_for(self) -> str:
        """What it waits for, as in :class:`~alsek.storage.backends.records.Located`; empty if it does not."""
        if self.awaited_key is not None:
            return _KEY_PREFIX + self.awaited_key
        return "" if self.line is None else self.line.at

    @property
    def has_begun(self) -> bool:
        """True if a worker runs it, or has: then nothing may take its place."""
        kept = tail_values(Stored, self.tail)
        return self.state == "claimed" or bool(self.losses or kept.get("retries") or kept.get("updated_at"))

    def as_claimed(self) -> Claimed:
        """Return what its worker gets."""
        return Claimed(
            self.uuid,
            self.queue,
            self.payload,
            self.token,
            self.losses,
            self.revoked,
            self.expired,
            self.suspect,
            **tail_values(Claimed, self.tail),
            is_async=is_async(self.submission.wish),
        )

    def as_stored(self) -> Stored:
        """Return what an inspection shows."""
        return Stored(
            self.uuid,
            self.queue,
            self.payload,
            self.submission.priority,
            self.state,
            self.losses,
            self.revoked,
            **tail_values(Stored, self.tail),
        )

    def as_located(self) -> Located:
        """Return what an inspection shows of it and of where it stands."""
        return Located(
            self.as_stored(),
            self.submission.wish,
            self.suspect,
            self.due_at,
            self.expires_at,
            self.holder,
            self.aside,
            self.waits_for,
        )
