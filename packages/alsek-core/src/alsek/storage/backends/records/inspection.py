"""What a look at a store shows."""

from __future__ import annotations

from typing import NamedTuple

from alsek.storage.backends.kinds import WorkerKind
from alsek.storage.backends.records.group_place import GroupPlace
from alsek.storage.backends.records.keys import Limit, UniqueKey
from alsek.storage.backends.records.workers import Running, WorkerFacts
from alsek.storage.backends.states import MessageState
from alsek.types import Wish


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
    unique: UniqueKey | None = None
    limits: tuple[Limit, ...] = ()
    group: GroupPlace | None = None
    joins: str = ""
    reported: bool = False


class DeadLetter(NamedTuple):
    """A message that will not be run again.

    Attributes:
        payload: The serialized message; if the record could not be read, its raw bytes.
        error: As in :class:`Failed`.
        died_at: When it failed: Unix milliseconds on the store's clock.
        retries: How often it was retried. This and the two below are the attempt state, written by the last retry.
        updated_at: As in :class:`Claimed`.
        retry_delay: As in :class:`Claimed`.
        unique: As in :class:`Submission`, like the three below.
    """

    uuid: str
    queue: str
    payload: bytes
    error: bytes
    died_at: int
    retries: int = 0
    updated_at: int = 0
    retry_delay: int | None = None
    unique: UniqueKey | None = None
    limits: tuple[Limit, ...] = ()
    group: GroupPlace | None = None
    joins: str = ""


class Located(NamedTuple):
    """A message that was found by its uuid alone, and where it stands.

    Attributes:
        stored: The message.
        wish: The kind of pool that may take it, and whether its task is an ``async def``.
        suspect: It waits for a worker of its own.
        due: When it is due, if it is delayed: Unix milliseconds on the store's clock; else None.
        expires_at: When it expires, if it is ready or claimed and has a ttl: Unix milliseconds; else None.
        worker: The id of the worker that holds it; None if none does.
        aside: The task for which it is set aside; empty if it is not.
        waits_for: What it waits for, if its state is ``"waiting"``: the id of a limit, or ``u:`` and its unique key,
            which another message holds. Else empty.
    """

    stored: Stored
    wish: Wish
    suspect: bool = False
    due: int | None = None
    expires_at: int | None = None
    worker: str | None = None
    aside: str = ""
    waits_for: str = ""


class Pause(NamedTuple):
    """A queue that is paused: by whom (any text), and since when (Unix milliseconds on the store's clock)."""

    queue: str
    by: str
    since: int


class Aside(NamedTuple):
    """How many messages of a queue are set aside for a task."""

    queue: str
    task: str
    messages: int


class QueueTally(NamedTuple):
    """How many messages a queue holds, by state.

    Attributes:
        ready: Suspects and what is set aside are among them.
        dead: Its dead letters.
        paused: Its pause; None if it is not paused.
        waiting: How many wait for a limit or a unique key.
    """

    queue: str
    ready: int
    delayed: int
    claimed: int
    dead: int
    paused: Pause | None = None
    waiting: int = 0


class HeldClaim(NamedTuple):
    """A message that a worker holds."""

    uuid: str
    queue: str
    token: int


class WorkerRecord(NamedTuple):
    """A registered worker, as the store knows it.

    Attributes:
        id: Its id.
        lease: How long it keeps its messages without a renewal.
        lease_end: When that ends: Unix milliseconds on the store's clock. `lease` before that it was last renewed.
        registered_at: When it registered: Unix milliseconds on the store's clock; 0 if the store does not know.
        kind: Its kind; None if it registered without facts.
        queues: The queues from which it takes; None for all.
        facts: What it told of itself; None if it told nothing.
        claims: What it holds now, oldest claim first.
        running: What it said to run when it last renewed its lease. A message of these may have ended since.
    """

    id: str
    lease: int
    lease_end: int
    registered_at: int = 0
    kind: WorkerKind | None = None
    queues: tuple[str, ...] | None = None
    facts: WorkerFacts | None = None
    claims: tuple[HeldClaim, ...] = ()
    running: tuple[Running, ...] = ()


class HistoryRow(NamedTuple):
    """What was counted of a queue and task within one minute.

    Attributes:
        minute: Unix minutes on the store's clock.
        counts: As :mod:`alsek.storage.backends.history` packs them.
    """

    minute: int
    queue: str
    task: str
    counts: str
