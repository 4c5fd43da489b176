"""Claims messages for a worker: which ones it may take, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from alsek.storage.backends.header import READABLE_VERSIONS
from alsek.storage.backends.kinds import SUSPECT_RULES, SlotKind, slot_of, slots_of_step
from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages import dead_letters
from alsek.storage.backends.memory.messages.groups import counting as groups
from alsek.storage.backends.memory.messages.groups.awaited import is_dropped
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import enter, give_up_key, leave
from alsek.storage.backends.records import Claimed, Corrupt, TaskStatus, Worker


def may_take(
    table: MessageTable,
    worker: Worker,
    lane: Lane,
    holding: Collection[StoredMessage],
    slots: Collection[SlotKind],
) -> bool:
    """Return True if a worker that holds these messages may take one of this lane now, into such slots."""
    if lane.queue in table.pauses:
        return False
    if lane.task:
        registered = table.workers.get(worker.id)
        if registered is None or not registered.takes_aside(lane.task, lane.queue):
            return False
    elif worker.queues is not None and lane.queue not in worker.queues:
        return False
    if slot_of(worker.kind, lane.wish) not in slots:
        return False
    rule = SUSPECT_RULES[worker.suspects]
    if rule.freely:
        return True
    if any(message.suspect for message in holding):
        return False
    return not holding if lane.suspect else rule.plain


def claimable(
    table: MessageTable,
    worker: Worker,
    slots: Collection[SlotKind],
    wanted: Callable[[Lane], bool] = lambda lane: True,
) -> Iterator[StoredMessage]:
    """Iterate over the messages that a worker may take now, into such slots, best first.

    Args:
        table: The table.
        worker: The worker.
        slots: The slot kinds.
        wanted: Called before each message. Once it returns False for a lane, that lane is left out.
    """
    holding = table.held_by(worker)
    for queue in table.queues_of(worker):
        lanes = [lane for lane in queue.lanes if may_take(table, worker, lane, holding, slots)]
        yield from queue.ready(lanes, wanted)


def left_lanes(table: MessageTable, worker: Worker, slots: Collection[SlotKind]) -> list[Lane]:
    """Return the lanes with something in them that a worker may take, now or once it holds nothing."""
    lanes = (lane for queue in table.queues_of(worker) for lane in queue.lanes)
    return [lane for lane in lanes if may_take(table, worker, lane, (), slots)]


def claim(
    table: MessageTable,
    registered: RegisteredWorker,
    worker: Worker,
    seq: int,
    limits: Mapping[SlotKind, int],
) -> tuple[list[Claimed], list[Corrupt]]:
    """Claim messages up to `limits` for a worker, which is registered, in its step `seq`.

    Returns:
        What was claimed, and the records that could not be read and became dead letters.
    """
    chosen, unreadable = _choose(table, worker, limits)
    for message in chosen:
        claim_message(table, registered, message, seq)
    corrupt = [dead_letters.reject(table, message, worker.dlq_ttl) for message in unreadable]
    groups.settle(table)
    return [message.as_claimed() for message in chosen], corrupt


def _choose(
    table: MessageTable, worker: Worker, limits: Mapping[SlotKind, int]
) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """Return messages for a worker up to `limits`, best first; and the unreadable ones before the last of them."""
    chosen: list[StoredMessage] = []
    unreadable: list[StoredMessage] = []
    slots = slots_of_step(worker.kind, limits)
    room = {slot: limits.get(slot, 0) for slot in slots}

    def slot(lane: Lane) -> SlotKind:
        taken_up = slot_of(worker.kind, lane.wish)
        assert taken_up is not None
        return taken_up

    for message in claimable(table, worker, slots, lambda lane: room[slot(lane)] > 0):
        if message.version not in READABLE_VERSIONS:
            unreadable.append(message)
        elif message.suspect and not SUSPECT_RULES[worker.suspects].freely:
            if not chosen:
                return [message], unreadable
        else:
            chosen.append(message)
            room[slot(message.lane)] -= 1
    return chosen, unreadable


def claim_message(
    table: MessageTable, registered: RegisteredWorker, message: StoredMessage, seq: int
) -> None:
    """Claim a ready message for a worker, for its step `seq`."""
    ttl = message.submission.ttl
    message.expired = bool(ttl) and table.store.clock() - message.ready_since > ttl
    message.revoked = message.revoked or is_dropped(table, message)
    leave(table, message, claimed=True)
    message.aside = ""
    message.token, message.seq = next(table.store.numbers), seq
    message.holder = registered.worker.id
    registered.claims[message.uuid] = message
    enter(table, message, "claimed")
    unique = message.submission.unique
    if unique is not None and unique.until == "started":
        give_up_key(table, message)
    table.set_status(message, TaskStatus.RUNNING)
