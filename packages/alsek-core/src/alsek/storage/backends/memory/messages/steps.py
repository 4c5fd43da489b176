"""A worker's step: accept outcomes, promote, take over, claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alsek.defaults import MOST_PUSHES, PROMOTION_BATCH
from alsek.storage.backends.kinds import SLOTS_OF, SUSPECT_RULES, SlotKind, slot_of, slots_of_step
from alsek.storage.backends.memory.messages import counting, schedules
from alsek.storage.backends.memory.messages.claims import claim, left_lanes
from alsek.storage.backends.memory.messages.leases import note_contact, registered_worker
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.outcomes import accept
from alsek.storage.backends.memory.messages.promotion import promote
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.settling import settle
from alsek.storage.backends.memory.messages.sleeper import Sleeper
from alsek.storage.backends.memory.messages.takeover import take_over
from alsek.storage.backends.memory.messages.wakeups import next_due_for, wake_for_leftovers
from alsek.storage.backends.records import Claimed, HistoryCounts, Outcome, Step, Worker
from alsek.storage.backends.refusals import late_step


def step(
    table: MessageTable,
    worker: Worker,
    seq: int,
    outcomes: Sequence[Outcome],
    limits: Mapping[SlotKind, int],
    history: Sequence[HistoryCounts],
    *,
    sleeps: bool,
    received: int | None,
) -> Step:
    """Make a worker's step, or repeat the answer of its last one.

    Raises:
        BackendError: The step is older than the worker's last one.
        WorkerUnknownError: The worker is not registered.
    """
    registered = registered_worker(table, worker)
    if registered.seq is not None and seq < registered.seq:
        raise late_step(worker, seq, registered.seq)
    note_contact(table)
    if seq != registered.seq:
        slept = table.sleepers.pop(worker.id, None)
        missing = 0 if slept is None or received is None else slept.pushes - received
        answer = _step(table, registered, worker, seq, outcomes, limits, missing)
        if sleeps:
            answer = answer._replace(sleeper=_becomes_sleeper(table, registered, seq, answer, limits))
        counting.add(table, history)
        registered.answer = answer._replace(taken_over=(), schedules=())
        registered.seq = seq
        return _copy(answer, registered)
    assert registered.answer is not None
    return _copy(registered.answer, registered)


def _step(
    table: MessageTable,
    registered: RegisteredWorker,
    worker: Worker,
    seq: int,
    outcomes: Sequence[Outcome],
    limits: Mapping[SlotKind, int],
    missing: int,
) -> Step:
    accepted = accept(table, registered, outcomes)
    pushed: list[Claimed] = []
    if missing > 0:
        pushed = [message.as_claimed() for message in registered.claims.values() if message.seq == seq]
        limits = {slot: max(0, limit - missing) for slot, limit in limits.items()}
    promote(table)
    offered = schedules.offer(table, registered)
    taken_over = take_over(table, registered)
    looked_at = settle(table, PROMOTION_BATCH)
    claimed, corrupt = claim(table, registered, worker, seq, limits)
    settle(table, PROMOTION_BATCH - looked_at)
    wake_for_leftovers(table)
    due = registered.next_due_at = next_due_for(table, registered)
    slots, freely = slots_of_step(worker.kind, limits), SUSPECT_RULES[worker.suspects].freely
    left = left_lanes(table, worker, slots)
    waiting = {slot_of(worker.kind, lane.wish) for lane in left if not lane.suspect or freely}
    return Step(
        refused=accepted.refused,
        claimed=pushed + claimed,
        next_due=None if due is None else max(due - table.store.clock(), 0),
        waiting=tuple(slot for slot in slots if slot in waiting),
        suspects=any(lane.suspect and not freely for lane in left),
        skipped=accepted.skipped,
        corrupt=corrupt,
        taken_over=tuple(taken_over),
        failed=accepted.failed,
        schedules=offered,
    )


def _becomes_sleeper(
    table: MessageTable,
    registered: RegisteredWorker,
    seq: int,
    answer: Step,
    limits: Mapping[SlotKind, int],
) -> bool:
    """Let a worker that has found all there is be pushed messages until its next step; return False if it may not."""
    worker = registered.worker
    room = _room(worker, answer, limits)
    alone = not SUSPECT_RULES[worker.suspects].freely and any(
        message.suspect for message in registered.claims.values()
    )
    if not any(room.values()) or answer.waiting or answer.suspects or alone:
        return False
    table.sleepers[worker.id] = Sleeper(seq + 1, room, table.store.clock())
    return True


def _room(worker: Worker, answer: Step, limits: Mapping[SlotKind, int]) -> dict[SlotKind, int]:
    """How many messages of each kind a worker may be pushed.

    With slots of two kinds, none after it has claimed one.
    """
    slots = SLOTS_OF[worker.kind]
    first, *others = slots
    if others:
        return {} if answer.claimed else {slot: min(limits.get(slot, 0), MOST_PUSHES) for slot in slots}
    room = sum(limits.get(slot, 0) for slot in slots_of_step(worker.kind, limits)) - len(answer.claimed)
    return {first: max(0, min(room, MOST_PUSHES))}


def _copy(answer: Step, registered: RegisteredWorker) -> Step:
    """Return an answer with new lists, and with those of its claims that are still held, as they are now."""
    current = {message.token: message for message in registered.claims.values()}
    return answer._replace(
        refused=list(answer.refused),
        claimed=[current[claim.token].as_claimed() for claim in answer.claimed if claim.token in current],
        skipped=list(answer.skipped),
        corrupt=list(answer.corrupt),
    )
