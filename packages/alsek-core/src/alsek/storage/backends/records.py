"""The plain values that pass between a backend and its callers.

They are named tuples of bytes, text and integers. A store needs to know no more of a message, and none of them refers
to a task, a broker or a serializer. Times and durations are milliseconds. They are part of the promise in
:mod:`alsek.storage.backends.ports`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from alsek.storage.backends.kinds import SuspectPolicy, WorkerKind
from alsek.storage.backends.states import MessageState, UuidState
from alsek.types import Wish

#: The request under which a replay stores a message. No call of a producer has this name.
REPLAYED: Final = "replay"

#: A duration that never ends.
FOR_EVER: Final = -1


class TaskStatus(IntEnum):
    """The status of a message. FAILED and SUCCEEDED are final."""

    UNKNOWN = 0
    SUBMITTED = 1
    RUNNING = 2
    RETRYING = 3
    FAILED = 4
    SUCCEEDED = 5


class Submission(NamedTuple):
    """A new message: the serialized message, and the header that the store reads.

    Attributes:
        uuid: The name of the message, unique in the namespace over all queues.
        queue: The queue in which it waits.
        payload: The serialized message. A store never reads it.
        priority: Any integer >= 0. Messages with a lower number are claimed first.
        wish: The kind of pool that may take it.
        delay: How long it is delayed, from when the store accepts it, on the store's clock.
        ttl: How long it may be ready before it expires; 0 for no end. The time counts from when the message is
            accepted, or from when its delay is over, even if no worker promotes it then. It starts again when the
            message is given back, unless it has expired before. A retried message never expires.
        status_ttl: How long each of its statuses is kept; 0 if it is not tracked, ``FOR_EVER`` if its statuses stay.
        named: True if the caller chose the uuid, so that an earlier message may have had it: what is left of that
            message is removed when this one is stored. False if the uuid was made for this message.
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


class Added(NamedTuple):
    """The answer to one submission.

    Attributes:
        accepted: The message is stored, or was stored by the same request before.
        existing: The uuid of the message because of which the submission was refused; empty if it was accepted.
        state: The state of that message. It may be ``"finished"``: then the message is no longer stored. None if the
            submission was accepted, or if the store can't read the record of that message.
    """

    accepted: bool
    existing: str = ""
    state: UuidState | None = None


#: The answer to each submission that is accepted, so that no object is made for it.
ACCEPTED: Final = Added(True)


class Worker(NamedTuple):
    """A worker, and which messages it takes.

    Attributes:
        id: A random name. It is never used again after the worker was retired or taken over.
        kind: ``"thread"`` and ``"process"`` take messages with this wish and with the wish ``"any"``. ``"any"`` (a
            consumer) takes all messages.
        queues: The queues from which it takes, strictly in this order. None for all queues, also those created later,
            in alphabetical order.
        lease: How long it keeps its messages without a renewal.
        dlq_ttl: How long a dead letter is kept that the store makes of an unreadable record; 0 for none.
        suspects: ``"alone"``: it takes a suspect only while it holds nothing, and nothing more until that one is
            finished. ``"freely"``: it takes suspects in their place among the other messages (a pool that runs each
            message in its own process). ``"only"``: as ``"alone"``, and it takes no other messages.
    """

    id: str
    kind: WorkerKind
    queues: tuple[str, ...] | None
    lease: int
    dlq_ttl: int
    suspects: SuspectPolicy = "alone"


class Claimed(NamedTuple):
    """A message that a worker has claimed.

    Attributes:
        uuid: The name of the message.
        queue: Its queue.
        payload: As it was submitted.
        token: The number of this claim. Tokens grow, and the store never uses one twice.
        losses: How often the worker that held it died or lost its lease.
        revoked: It was revoked: the worker reports it as failed and does not run it.
        expired: It was ready for longer than its ttl: the worker reports it as failed and does not run it.
        suspect: It was running in a process that died while other messages were running in it too.
        retries: How often it was retried. This and the three below are the attempt state, written by the last retry.
        updated_at: When it was last retried: Unix milliseconds.
        retry_delay: The delay that the last retry asked for; None if the backoff decided.
        last_error: The error that ended the last attempt, as in :class:`Failed`; empty if it is not known.
    """

    uuid: str
    queue: str
    payload: bytes
    token: int
    losses: int = 0
    revoked: bool = False
    expired: bool = False
    suspect: bool = False
    retries: int = 0
    updated_at: int = 0
    retry_delay: int | None = None
    last_error: bytes = b""


class Succeeded(NamedTuple):
    """The task returned. The result is stored, SUCCEEDED written, the callback submitted, the message removed."""

    uuid: str
    queue: str
    token: int
    result: bytes | None = None
    result_ttl: int = FOR_EVER
    progenitor: str | None = None
    callback: Submission | None = None


class Retried(NamedTuple):
    """The message is to run again after `delay`. RETRYING is written and the attempt state replaced.

    The message is no longer a suspect, and no longer expires.

    Attributes:
        retries: How often it was retried, this retry included. This and the three below are the new attempt state.
        updated_at: The time of this retry: Unix milliseconds.
        retry_delay: The delay that the task asked for; None if the backoff decided.
        last_error: The error that ended this attempt, as in :class:`Failed`; empty if it is not known.
        payload: A new payload if a user has changed the message by hand; None leaves the payload unchanged.
    """

    uuid: str
    queue: str
    token: int
    delay: int
    retries: int
    updated_at: int = 0
    retry_delay: int | None = None
    last_error: bytes = b""
    payload: bytes | None = None


class Failed(NamedTuple):
    """The message has failed. FAILED is written, and the message moves to the dead letters.

    Attributes:
        error: The exception: :class:`alsek.types.ExceptionDetails` as UTF-8 JSON, whatever the serializer is.
        dlq_ttl: How long the dead letter is kept; 0 for none: the message is deleted.
    """

    uuid: str
    queue: str
    token: int
    error: bytes
    dlq_ttl: int


class Released(NamedTuple):
    """The message is given back unchanged, at its old place, and no loss or retry is charged. SUBMITTED is written."""

    uuid: str
    queue: str
    token: int

    @classmethod
    def of(cls, claimed: Claimed) -> Released:
        """Return the outcome that gives back a claimed message."""
        return cls(claimed.uuid, claimed.queue, claimed.token)


class Lost(NamedTuple):
    """The process that ran the message died. It is given back at its old place with one more loss; RETRYING is written.

    Attributes:
        suspect: Other messages were running in the process too, so it is not known which one caused the death.
    """

    uuid: str
    queue: str
    token: int
    suspect: bool = False


Outcome: TypeAlias = Succeeded | Retried | Failed | Released | Lost


def refused_again(outcomes: Sequence[Outcome], accepted: Collection[int]) -> list[str]:
    """Return the uuids that a repeated retirement refuses: all but the first outcome of each accepted token."""
    left = set(accepted)
    refused = []
    for outcome in outcomes:
        if outcome.token in left:
            left.remove(outcome.token)
        else:
            refused.append(outcome.uuid)
    return refused


class Corrupt(NamedTuple):
    """A record that the store could not read, and moved to the dead letters.

    Attributes:
        uuid: The uuid of the message; empty if another program has overwritten more than one record.
        queue: Its queue. If `uuid` is empty: the queue, or the name in the store, that was overwritten. The foreign
            data stays; the store keeps its own data elsewhere, or leaves it out.
        reason: What the store found.
    """

    uuid: str
    queue: str
    reason: str

    @property
    def sentence(self) -> str:
        """A sentence for the log."""
        if self.uuid:
            return f"Record {self.uuid!r} in queue {self.queue!r} was set aside: {self.reason}"
        return (
            f"{self.queue!r} in the store was overwritten by another program ({self.reason}): "
            f"rename or delete what is there, or give Alsek a namespace of its own."
        )


class TakenOver(NamedTuple):
    """A worker whose lease has ended, and the number of its messages: they are ready again, with one more loss."""

    worker: str
    messages: int


class Step(NamedTuple):
    """The answer to one step of a worker.

    Attributes:
        refused: The uuids of the outcomes that were refused because their token is not the current one. Nothing of
            such an outcome was written.
        claimed: The messages that were claimed, in the order of (priority, arrival) within each queue.
        next_due: Milliseconds until the next delayed message is due; 0 if one is due already, None if none is
            delayed.
        waiting: True if ready messages are left that this worker may take.
        suspects: True if suspects are left that this worker may take once it holds nothing.
        skipped: The uuids of callbacks that were not submitted because they exist already.
        corrupt: The unreadable records that this step moved to the dead letters.
        taken_over: The lost workers that this step has forgotten, by the end of their lease, then by id. Empty in the
            answer to a repeated step.
    """

    refused: list[str]
    claimed: list[Claimed]
    next_due: int | None
    waiting: bool
    suspects: bool
    skipped: list[str]
    corrupt: list[Corrupt]
    taken_over: tuple[TakenOver, ...] = ()


class Stored(NamedTuple):
    """A message as it is stored now. The fields are those of :class:`Submission` and :class:`Claimed`."""

    uuid: str
    queue: str
    payload: bytes
    priority: int
    state: MessageState
    losses: int
    revoked: bool
    retries: int = 0
    updated_at: int = 0
    retry_delay: int | None = None
    last_error: bytes = b""


class DeadLetter(NamedTuple):
    """A message that will not be run again.

    Attributes:
        payload: The serialized message; if the record could not be read, its raw bytes.
        error: As in :class:`Failed`.
        died_at: When it failed: Unix milliseconds on the store's clock.
        retries: How often it was retried. This and the two below are the attempt state, written by the last retry.
        updated_at: As in :class:`Claimed`.
        retry_delay: As in :class:`Claimed`.
    """

    uuid: str
    queue: str
    payload: bytes
    error: bytes
    died_at: int
    retries: int = 0
    updated_at: int = 0
    retry_delay: int | None = None


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
