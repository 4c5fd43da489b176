"""Claims messages for a worker: which ones it may take, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from alsek.storage.backends.header import READABLE_VERSIONS
from alsek.storage.backends.kinds import SUSPECT_RULES, WISHES_OF
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages import dead_letters
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import enter, leave
from alsek.storage.backends.records import Claimed, Corrupt, TaskStatus, Worker


def may_take(table: MessageTable, worker: Worker, lane: Lane, holding: Collection[StoredMessage]) -> bool:
    """Return True if a worker that holds these messages may take one of this lane now."""
    if lane.queue in table.pauses:
        return False
    if lane.task:
        registered = table.workers.get(worker.id)
        if registered is None or not registered.takes_aside(lane.task, lane.queue):
            return False
    elif worker.queues is not None and lane.queue not in worker.queues:
        return False
    if lane.wish not in WISHES_OF[worker.kind]:
        return False
    rule = SUSPECT_RULES[worker.suspects]
    if rule.freely:
        return True
    if any(message.suspect for message in holding):
        return False
    return not holding if lane.suspect else rule.plain


def claimable(table: MessageTable, worker: Worker) -> Iterator[StoredMessage]:
    """Iterate over the messages that a worker may take now, best first."""
    holding = table.held_by(worker)
    for queue in table.queues_of(worker):
        yield from queue.ready([lane for lane in queue.lanes if may_take(table, worker, lane, holding)])


def left_lanes(table: MessageTable, worker: Worker) -> list[Lane]:
    """Return the lanes with something in them that a worker may take, now or once it holds nothing."""
    lanes = (lane for queue in table.queues_of(worker) for lane in queue.lanes)
    return [lane for lane in lanes if may_take(table, worker, lane, ())]


def claim(
    table: MessageTable, registered: RegisteredWorker, worker: Worker, seq: int, limit: int
) -> tuple[list[Claimed], list[Corrupt]]:
    """Claim up to `limit` messages for a worker, which is registered, in its step `seq`.

    Returns:
        What was claimed, and the records that could not be read and became dead letters.
    """
    chosen, unreadable = _choose(table, worker, limit)
    for message in chosen:
        _claim(table, registered, message, seq)
    corrupt = [dead_letters.reject(table, message, worker.dlq_ttl) for message in unreadable]
    return [message.as_claimed() for message in chosen], corrupt


def _choose(
    table: MessageTable, worker: Worker, limit: int
) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """Return up to `limit` messages for a worker, best first; and the unreadable ones before the last of them."""
    chosen: list[StoredMessage] = []
    unreadable: list[StoredMessage] = []
    if limit <= 0:
        return chosen, unreadable
    for message in claimable(table, worker):
        if message.version not in READABLE_VERSIONS:
            unreadable.append(message)
        elif message.suspect and not SUSPECT_RULES[worker.suspects].freely:
            if not chosen:
                return [message], unreadable
        else:
            chosen.append(message)
            if len(chosen) == limit:
                break
    return chosen, unreadable


def _claim(table: MessageTable, registered: RegisteredWorker, message: StoredMessage, seq: int) -> None:
    ttl = message.submission.ttl
    leave(table, message)
    message.expired = bool(ttl) and table.store.clock() - message.ready_since > ttl
    message.aside = ""
    message.token, message.seq = next(table.store.numbers), seq
    message.holder = registered.worker.id
    registered.claims[message.uuid] = message
    enter(table, message, "claimed")
    table.set_status(message, TaskStatus.RUNNING)
