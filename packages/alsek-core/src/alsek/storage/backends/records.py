"""The plain values that pass between a backend and those who use it.

They are tuples of bytes, text and integers: a store needs to know no more of a message than
this, and none of them refers to a task, a broker or a serializer. Times and durations are
milliseconds. A worker's view of a message and the store's meet here, so a change to any of
these is a change of the promise in :mod:`alsek.storage.backends.ports`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from alsek.storage.backends.kinds import SuspectPolicy, WorkerKind
from alsek.storage.backends.states import MessageState, UuidState
from alsek.types import Wish

#: The request under which dead letters are taken back; no call of a producer has this name.
REPLAYED: Final = "replay"

#: A duration that never ends.
FOR_EVER: Final = -1


class TaskStatus(IntEnum):
    """Where a message stands. FAILED and SUCCEEDED are final."""

    UNKNOWN = 0
    SUBMITTED = 1
    RUNNING = 2
    RETRYING = 3
    FAILED = 4
    SUCCEEDED = 5


class Submission(NamedTuple):
    """A message on its way into the store: the serialized message and the header the store reads.

    Attributes:
        uuid: Names the message; unique in the namespace, whatever the queue.
        queue: Where it waits.
        payload: The serialized message; a store never looks inside.
        priority: Lower goes first. Any integer >= 0.
        wish: Which kind of pool may take it.
        delay: Counted from when the store accepts it, on the store's clock.
        ttl: How long it may be ready before it expires; 0 for no end. It counts from when the message is accepted,
            or from when its delay is over, whether or not a worker looks then. What is given back begins it
            anew, unless it had run out before; what is retried never expires.
        status_ttl: How long each status written for it is kept; 0 for a message that is not
            tracked, ``FOR_EVER`` for one whose statuses stay.
        named: The uuid was chosen by the caller, so an earlier message may have had it: what is left of that
            one is removed when this one is stored. False for a uuid that was made for this message.
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
    """Who claims, and what it may be given.

    Attributes:
        id: Random, never used again once retired or taken over.
        kind: ``"thread"`` and ``"process"`` take what wishes for any or for them; ``"any"``
            (a plain consumer) takes all.
        queues: Drained strictly in this order; None for every queue that there is or will
            be, in alphabetical order.
        lease: How long what it holds stays its own without a renewal.
        dlq_ttl: How long what the store itself sets aside stays a dead letter; 0 for not at all.
        suspects: ``"alone"``: a suspect is handed to it only while it holds nothing, just the one,
            and nothing more until that one is finished. ``"freely"``: like any other message, at
            its place (a pool that runs each message in a process of its own). ``"only"``: as
            "alone", and nothing but suspects.
    """

    id: str
    kind: WorkerKind
    queues: tuple[str, ...] | None
    lease: int
    dlq_ttl: int
    suspects: SuspectPolicy = "alone"


class Claimed(NamedTuple):
    """A message handed to a worker.

    Attributes:
        uuid: Names the message.
        queue: Where it came from.
        payload: As it was submitted.
        token: Proof of this claim: a number that the store never hands out twice, growing.
        losses: How often it was handed out before and ended without any outcome.
        revoked: It was revoked: the worker reports it as failed and does not run it.
        expired: It was ready for longer than its ttl: likewise.
        suspect: It was in a process that died with several messages in it.
        retries: How often it was retried; with the three below, the attempt state that the last retry left.
        updated_at: When that was: Unix milliseconds.
        retry_delay: The delay that it asked for; None if it left that to the backoff.
        last_error: What ended the attempt before this one, as in :class:`Died`; empty if nothing is known.
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
    """The task returned: result stored, SUCCEEDED written, callback submitted, message gone."""

    uuid: str
    queue: str
    token: int
    result: bytes | None = None
    result_ttl: int = FOR_EVER
    progenitor: str | None = None
    callback: Submission | None = None


class Retried(NamedTuple):
    """To be run again after `delay`: RETRYING written, attempt state replaced, suspicion lifted. It expires no more.

    Attributes:
        retries: How often it was retried, this time included; with the three below, the new attempt state.
        updated_at: Now: Unix milliseconds.
        retry_delay: The delay that the task asked for; None for the backoff's.
        last_error: What ended this attempt, as in :class:`Died`; empty if that is not known.
        payload: A new payload, if a user has changed the message by hand; None, as nearly always, leaves it as it is.
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


class Died(NamedTuple):
    """Never to be run again: FAILED written, moved to the dead letters (`dlq_ttl` 0: dropped).

    Attributes:
        error: What ended it: :class:`alsek.types.ExceptionDetails` as UTF-8 JSON, whatever the serializer.
    """

    uuid: str
    queue: str
    token: int
    error: bytes
    dlq_ttl: int


class Released(NamedTuple):
    """Given back untouched: at its old place, nothing spent, SUBMITTED written."""

    uuid: str
    queue: str
    token: int


class Lost(NamedTuple):
    """Given back by whoever saw the holder die: at its old place, one loss more, RETRYING written.

    Attributes:
        suspect: It was not alone in the process that died.
    """

    uuid: str
    queue: str
    token: int
    suspect: bool = False


Outcome: TypeAlias = Succeeded | Retried | Died | Released | Lost


def refused_again(outcomes: Sequence[Outcome], accepted: Collection[int]) -> list[str]:
    """The uuids that a repeated retirement refuses: all but the first outcome under each token that was accepted."""
    left = set(accepted)
    refused = []
    for outcome in outcomes:
        if outcome.token in left:
            left.remove(outcome.token)
        else:
            refused.append(outcome.uuid)
    return refused


class Corrupt(NamedTuple):
    """A record that the store could not read, and set aside among the dead letters.

    Attributes:
        uuid: Of the message; empty if another program has overwritten more than a record.
        queue: Where it was. Without a uuid: the queue, or the name in the store, that was overwritten. What is there
            is left alone, and what belongs there waits elsewhere, or is left out.
        reason: What the store found.
    """

    uuid: str
    queue: str
    reason: str

    @property
    def sentence(self) -> str:
        """For a log."""
        if self.uuid:
            return f"Record {self.uuid!r} in queue {self.queue!r} was set aside: {self.reason}"
        return (
            f"{self.queue!r} in the store was overwritten by another program ({self.reason}): "
            f"rename or delete what is there, or give Alsek a namespace of its own."
        )


class TakenOver(NamedTuple):
    """A worker whose lease has ended, and how many messages it held; those are ready again, with one loss more."""

    worker: str
    messages: int


class Step(NamedTuple):
    """What one step of a worker came to.

    Attributes:
        refused: The uuids of the outcomes that were not accepted, because their token is no
            longer the current one. Nothing of such an outcome was written.
        claimed: What was handed out, best (priority, arrival) first within each queue.
        next_due: Milliseconds until the next delayed message is due; 0 for one that is due
            already, None if none is delayed.
        waiting: Ready messages were left behind that this worker may take.
        suspects: Suspects wait that this worker may take once it holds nothing.
        skipped: The uuids of callbacks that were not submitted, since they exist already.
        corrupt: Records that were set aside in this step.
        taken_over: Lost workers that this step has forgotten, by the end of their lease, then by id. A repeated
            step leaves it out.
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
    """A message as the store has it, for an onlooker. The attempt state is that of :class:`Claimed`."""

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
        payload: The serialized message; of a corrupt record, its raw bytes.
        error: As in :class:`Died`.
        died_at: Unix milliseconds on the store's clock.
        retries: How often it was retried; with the two below, the attempt state of its last retry.
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
        token: Of the claim that wrote it; 0 for one that was written without.
    """

    uuid: str
    payload: bytes
    timestamp: int
    token: int

    def pack(self) -> bytes:
        """As bytes, without the uuid: ``<timestamp>|<token>|<payload>``, the way stores publish it."""
        return b"%d|%d|%b" % (self.timestamp, self.token, self.payload)

    @classmethod
    def unpack(cls, uuid: str, data: bytes) -> ResultRecord:
        """What :meth:`pack` made; a store may have put more behind the token, after a ``^``.

        Raises:
            ValueError: These bytes are no result.
        """
        timestamp, token, payload = data.split(b"|", 2)
        return cls(uuid, payload, int(timestamp), int(token.partition(b"^")[0]))


class StatusRecord(NamedTuple):
    """A stored status, with the details (serialized) that came with it, and its write's time."""

    uuid: str
    status: TaskStatus
    details: bytes | None
    timestamp: int

    def pack(self) -> bytes:
        """As bytes, without the uuid: ``<status>|<timestamp>|<details>``, the way stores keep and publish it."""
        return b"%d|%d|%b" % (self.status, self.timestamp, self.details or b"")

    @classmethod
    def unpack(cls, uuid: str, data: bytes) -> StatusRecord:
        """What :meth:`pack` made.

        Raises:
            ValueError: These bytes are no status.
        """
        status, timestamp, details = data.split(b"|", 2)
        return cls(uuid, TaskStatus(int(status)), details or None, int(timestamp))


class LockRecord(NamedTuple):
    """Who holds a lock, until when (Unix milliseconds, store's clock), and its fence number."""

    owner: str
    expires_at: int
    fence: int
