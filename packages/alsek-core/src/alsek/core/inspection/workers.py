"""The workers that are registered with a store, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.storage.backends.kinds import mechanism_of
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Running, WorkerRecord
from alsek.types import MechanismWish, Wish


@dataclass(frozen=True, slots=True)
class HeldInfo:
    """A message that a worker holds.

    Attributes:
        uuid: The message.
        queue: Its queue.
        started_at: When this attempt began: Unix milliseconds on the worker's clock. None, as all below, if the worker
            has not said yet that it runs it: it says so about once a second.
        attempt: The number of the attempt, 1 for the first.
        pid: The process in which it runs.
        thread: The name of its thread; None if the process has only one.
    """

    uuid: str
    queue: str
    started_at: int | None = None
    attempt: int | None = None
    pid: int | None = None
    thread: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker: a worker group of a pool, or a consumer. What an older version does not tell is None.

    Attributes:
        id: Its id in the store.
        kind: ``"thread"``, ``"process"``, or ``"any"`` for a consumer.
        host: The name of its machine.
        pid: Its process.
        version: Of Alsek.
        queues: The queues from which it takes, in this order; None for all.
        tasks: The names of its tasks; None if it takes messages of any task, as a consumer does.
        slots: How many messages it runs at once; None for a consumer.
        busy: How many of its slots are in use; how many messages it holds, if it has no slots.
        started_at: When it registered: Unix milliseconds on the store's clock.
        last_beat: When it last renewed its lease: Unix milliseconds on the store's clock.
        running: The messages that it holds, oldest claim first. There may be more than `busy`: very short ones are
            claimed ahead.
        lease_end: When its lease ends: Unix milliseconds on the store's clock.
        alive: False if its lease has ended. Another worker then takes over what it holds.
    """

    id: str
    kind: MechanismWish | None
    host: str | None
    pid: int | None
    version: str | None
    queues: tuple[str, ...] | None
    tasks: tuple[str, ...] | None
    slots: int | None
    busy: int
    started_at: int | None
    last_beat: int
    running: tuple[HeldInfo, ...]
    lease_end: int
    alive: bool


def workers_of(port: MessagePort) -> list[WorkerInfo]:
    """Return all registered workers, also those whose lease has ended and that nobody has taken over yet."""
    now = port.now()
    return [worker_info(record, now) for record in port.workers()]


def worker_info(record: WorkerRecord, now: int) -> WorkerInfo:
    """Return a worker as users see it; `now` on the store's clock."""
    facts = record.facts
    slots = facts.slots or None if facts is not None else None
    held = len(record.claims)
    said = {running.uuid: running for running in record.running}
    return WorkerInfo(
        record.id,
        None if record.kind is None else mechanism_of(record.kind),
        None if facts is None else facts.host,
        None if facts is None else facts.pid,
        None if facts is None else facts.version,
        record.queues,
        None if facts is None else facts.tasks,
        slots,
        held if slots is None else min(held, slots),
        record.registered_at or None,
        record.lease_end - record.lease,
        tuple(_held(claim.uuid, claim.queue, said.get(claim.uuid)) for claim in record.claims),
        record.lease_end,
        record.lease_end > now,
    )


def _held(uuid: str, queue: str, running: Running | None) -> HeldInfo:
    if running is None:
        return HeldInfo(uuid, queue)
    return HeldInfo(uuid, queue, running.started_at, running.attempt, running.pid, running.thread or None)


def serves(worker: WorkerInfo, queue: str) -> bool:
    """Return True if a worker takes from this queue. One that has told nothing of itself may take from any."""
    return worker.queues is None or queue in worker.queues


def fits(worker: WorkerInfo, wish: Wish) -> bool:
    """Return True if a worker's kind takes messages with this wish. One that has told nothing may be of any kind.

    A pool without ``async def`` tasks takes messages of such tasks too, now and then.
    """
    mechanism = mechanism_of(wish)
    return worker.kind in (None, "any", mechanism) or mechanism == "any"


def registers(worker: WorkerInfo, task: str) -> bool:
    """Return True if a worker has told that this is one of its tasks."""
    return worker.tasks is not None and task in worker.tasks
