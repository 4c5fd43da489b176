"""Workers, and the messages that they have claimed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from alsek.storage.backends.kinds import SuspectPolicy, WorkerKind
from alsek.storage.backends.records.group_place import GroupPlace


class Worker(NamedTuple):
    """A worker, and which messages it takes.

    Attributes:
        id: A random name. It is never used again after the worker was retired or taken over.
        kind: ``"thread"`` and ``"process"`` take messages with this wish and with the wish ``"any"``.
            ``"thread-async"`` and ``"process-async"`` also take those of ``async def`` tasks. ``"any"`` (a consumer)
            takes all messages. See :data:`~alsek.storage.backends.kinds.WISHES_BY_SLOT`.
        queues: The queues from which it takes, strictly in this order. None for all queues, also those created later,
            in alphabetical order.
        lease: How long it keeps its messages without a renewal.
        dlq_ttl: How long a dead letter is kept that the store makes of an unreadable record; 0 for none.
        suspects: ``"alone"``: it takes a suspect only while it holds nothing, and nothing more until that one is
            finished. ``"freely"``: it takes suspects in their place among the other messages (a pool that runs each
            message in its own process). ``"only"``: as ``"alone"``, and it takes no other messages.
        thorough: It ends when nothing is left. A store of several partitions then looks into all of them in each step
            that may claim, and not only where it has reason to.
    """

    id: str
    kind: WorkerKind
    queues: tuple[str, ...] | None
    lease: int
    dlq_ttl: int
    suspects: SuspectPolicy = "alone"
    thorough: bool = False


class WorkerFacts(NamedTuple):
    """What a worker tells the store of itself when it registers. All of it is shown; `tasks` also decides.

    Attributes:
        host: The name of its machine.
        pid: Its process.
        version: Of Alsek.
        tasks: The names of its tasks. It may claim messages that are set aside for one of these. None if it takes
            messages of any task, as a consumer does: then it may claim what is set aside in its own queues.
        slots: How many messages it runs at once; 0 if it says nothing of this.
        fires: It fires schedules: see :class:`~alsek.storage.backends.ports.SchedulePort`. This decides too.
        schedules: The names of the schedules that its code declares.
    """

    host: str
    pid: int
    version: str
    tasks: tuple[str, ...] | None
    slots: int = 0
    fires: bool = False
    schedules: tuple[str, ...] = ()


def facts_of(told: Mapping[str, Any]) -> WorkerFacts:
    """The facts of a worker that were kept as JSON. What a newer version tells besides is left out."""
    known = {name: told[name] for name in WorkerFacts._fields if name in told}
    if known["tasks"] is not None:
        known["tasks"] = tuple(known["tasks"])
    known["schedules"] = tuple(known.get("schedules", ()))
    return WorkerFacts(**known)


class Running(NamedTuple):
    """A message that a worker runs now, as it last said.

    Attributes:
        uuid: The name of the message.
        started_at: When this attempt began: Unix milliseconds on the worker's clock.
        attempt: 1 for the first.
        pid: The process in which it runs.
        thread: The name of its thread; empty if the process has only one.
    """

    uuid: str
    started_at: int
    attempt: int
    pid: int
    thread: str = ""


def running_of(told: Iterable[Sequence[Any]]) -> tuple[Running, ...]:
    """What a worker runs, if it was kept as JSON. What a newer version tells besides is left out."""
    return tuple(Running(*each[: len(Running._fields)]) for each in told)


class Claimed(NamedTuple):
    """A message that a worker has claimed.

    Attributes:
        uuid: The name of the message.
        queue: Its queue.
        payload: As it was submitted.
        token: The number of this claim. Tokens grow, and the store never uses one twice.
        losses: How often the worker that held it died or lost its lease.
        revoked: It was revoked, or its group does not await it any more: the worker reports it as failed and does not
            run it.
        expired: It was ready for longer than its ttl: the worker reports it as failed and does not run it.
        suspect: It was running in a process that died while other messages were running in it too.
        retries: How often it was retried. This and the three below are the attempt state, written by the last retry.
        updated_at: When it was last retried: Unix milliseconds.
        retry_delay: The delay that the last retry asked for; None if the backoff decided.
        last_error: The error that ended the last attempt, as in :class:`Failed`; empty if it is not known.
        is_async: It was submitted as a message of an ``async def`` task: see :data:`~alsek.types.Wish`.
        group: Its place in a group; None if it is in none.
        joins: The group whose callback it is; empty if it is none.
        reported: Something is kept of reports on it: see :class:`Report`.
        checkpoint: What was last saved of it, if `reported`. A store leaves it None: the worker's session reads it.
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
    is_async: bool = False
    group: GroupPlace | None = None
    joins: str = ""
    reported: bool = False
    checkpoint: bytes | None = None
