"""Reads messages, queues and workers as they are stored now. Nothing here changes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from alsek.storage.backends.header import READABLE_VERSIONS
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.queue import Queue
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.ports.inspection import FRONT_PRIORITIES
from alsek.storage.backends.records import (
    Aside,
    DeadLetter,
    HeldClaim,
    Located,
    QueueTally,
    Stored,
    WorkerRecord,
)
from alsek.storage.backends.states import MessageState


def get(table: MessageTable, queue: str, uuid: str) -> Stored | None:
    """Return a message, or None."""
    message = table.find(queue, uuid)
    return None if message is None else message.as_stored()


def find(table: MessageTable, uuid: str) -> Located | None:
    """Return a message of any queue, and where it stands; or None."""
    message = table.messages.get(uuid)
    return None if message is None else message.as_located()


def find_dead(table: MessageTable, uuid: str) -> list[DeadLetter]:
    """Return the dead letters of a uuid, by queue."""
    return [letter for (_, other), letter in sorted(table.dead.items()) if other == uuid]


def place(table: MessageTable, queue: str, uuid: str, most: int) -> int | None:
    """Return how many ready messages of a queue go before this one, at most one more than `most`."""
    message = table.find(queue, uuid)
    if message is None or message.state != "ready":
        return None
    return min(table.queues[queue].n_before(message.place), most + 1)


def tallies(table: MessageTable, queues: Sequence[str] | None) -> list[QueueTally]:
    """Return how many messages queues hold, by state; of all queues if None."""
    dead = Counter(queue for (queue, _), _ in table.dead.items())
    names = sorted({*table.queues, *dead, *table.pauses}) if queues is None else queues
    answer = []
    for name in names:
        queue = table.queues.get(name, Queue())
        ready, delayed, waiting = queue.n_ready, queue.n_delayed, queue.n_waiting
        claimed = len(queue.messages) - ready - delayed - waiting
        answer.append(QueueTally(name, ready, delayed, claimed, dead[name], table.pauses.get(name), waiting))
    return answer


def fronts(table: MessageTable, queues: Sequence[str]) -> list[Stored]:
    """Return the first ready message of each priority in each lane of these queues."""
    return [
        message.as_stored()
        for name in queues
        if name in table.queues
        for message in table.queues[name].fronts(FRONT_PRIORITIES)
        if message.version in READABLE_VERSIONS
    ]


def peek(table: MessageTable, queue: str, state: MessageState, most: int) -> list[Stored]:
    """Return up to `most` messages of a queue that are in this state, those that go first or are due first."""
    messages = [
        message for message in table.queues.get(queue, Queue()).messages.values() if message.state == state
    ]
    if state == "ready":
        messages.sort(key=lambda message: message.place)
    elif state == "delayed":
        messages.sort(key=lambda message: message.due)
    return [message.as_stored() for message in messages[:most]]


def workers(table: MessageTable) -> list[WorkerRecord]:
    """Return the registered workers, in order of id."""
    return [_worker_record(registered) for _, registered in sorted(table.workers.items())]


def _worker_record(registered: RegisteredWorker) -> WorkerRecord:
    worker, facts = registered.worker, registered.facts
    return WorkerRecord(
        worker.id,
        worker.lease,
        registered.lease_end,
        registered.registered_at,
        None if facts is None else worker.kind,
        None if facts is None else worker.queues,
        facts,
        tuple(HeldClaim(held.uuid, held.queue, held.token) for held in registered.claims.values()),
        registered.running,
    )


def aside(table: MessageTable) -> list[Aside]:
    """Return how many messages are set aside, by queue and task."""
    counts: dict[tuple[str, str], int] = {}
    for name, queue in table.queues.items():
        for lane in queue.lanes:
            if lane.task:
                counts[name, lane.task] = counts.get((name, lane.task), 0) + queue.n_in(lane)
    return [Aside(*key, number) for key, number in sorted(counts.items())]


def count(table: MessageTable, queue: str) -> int:
    """Return how many messages a queue holds."""
    return len(table.queues[queue].messages) if queue in table.queues else 0


def uuids(table: MessageTable, queue: str) -> list[str]:
    """Return the uuids of a queue's messages."""
    return list(table.queues[queue].messages) if queue in table.queues else []
