"""Schedules: keeps them, offers those that are due, and submits the messages of their ticks."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.defaults import PROMOTION_BATCH, SCHEDULE_OFFER
from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.copies import ScheduleCopy
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_schedule import StoredSchedule
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.records import Added, ScheduleRecord, Submission

#: How long (ms) a worker that does not fire schedules leaves those that are due to others, before it looks again.
LEFT_TO_OTHERS = 1_000


def put(table: MessageTable, new: ScheduleRecord, expected: str) -> ScheduleRecord | None:
    """Store a schedule, or change its definition, revision and tick; None if another revision than `expected` stands.

    What was fired last stays, and so does a pause.
    """
    stored = table.schedules.get(new.name)
    if stored is not None and stored.record.revision == new.revision:
        return stored.record
    if (stored.record.revision if stored is not None else "") != expected:
        return None
    if stored is not None:
        if stored.record.has_fired(new.next_at):
            return None
        new = stored.record._replace(revision=new.revision, definition=new.definition, next_at=new.next_at)
    _keep(table, new)
    return new


def get(table: MessageTable, names: Sequence[str] | None) -> list[ScheduleRecord]:
    """Return the schedules of these names that are stored, by name; all if None."""
    wanted = table.schedules.keys() if names is None else table.schedules.keys() & set(names)
    return [table.schedules[name].record for name in sorted(wanted)]


def fire(
    table: MessageTable,
    read: ScheduleRecord,
    submissions: Sequence[Submission],
    request: str,
    next_at: int | None,
    last_at: int | None,
) -> list[Added] | None:
    """Submit messages, and let a schedule go on to its next tick; None if it no longer stands where it was read.

    Args:
        table: The table.
        read: The name, revision and tick of the schedule, as they were read.
        submissions: The messages.
        request: The call.
        next_at: The next tick.
        last_at: The last tick of which there is a message; None for none.
    """
    stored = table.schedules.get(read.name)
    if stored is None or read.next_at is None:
        return None
    present = stored.record
    if (present.revision, present.next_at, present.paused_by) != (read.revision, read.next_at, ""):
        return None
    answers = add_in_batches(
        submissions, lambda batch: [add_one(table, submission, request) for submission in batch]
    )
    if last_at is not None:
        last_uuid = submissions[-1].uuid if submissions else present.last_uuid
        present = present._replace(last_at=last_at, last_uuid=last_uuid)
    _keep(table, present._replace(next_at=next_at))
    return answers


def pause(table: MessageTable, name: str, by: str) -> bool:
    """Pause a schedule; False if it is not stored, or is paused already."""
    stored = table.schedules.get(name)
    if stored is None or stored.record.paused_by:
        return False
    _keep(table, stored.record._replace(paused_by=by, paused_since=table.store.clock()))
    return True


def resume(table: MessageTable, name: str, revision: str, next_at: int | None) -> bool:
    """Let a schedule that is paused go on; False if it is not, has another revision, or has fired this tick."""
    stored = table.schedules.get(name)
    if stored is None or stored.record.revision != revision or not stored.record.paused_by:
        return False
    if stored.record.has_fired(next_at):
        return False
    _keep(table, stored.record._replace(next_at=next_at, paused_by="", paused_since=0))
    return True


def copy(table: MessageTable, name: str) -> ScheduleCopy | None:
    """Copy a schedule."""
    stored = table.schedules.get(name)
    return None if stored is None else ScheduleCopy(*stored.record, mark=repr(stored.record).encode())


def take_out(table: MessageTable, copied: ScheduleCopy) -> bool:
    """Delete a schedule if it is as it was copied."""
    present = copy(table, copied.name)
    if present is None or present.mark != copied.mark:
        return False
    del table.schedules[copied.name]
    return True


def adopt(table: MessageTable, copied: ScheduleCopy) -> bool:
    """Store a schedule of another store; False if there is one of this name."""
    if copied.name in table.schedules:
        return False
    name, revision, definition, next_at, last_at, last_uuid, paused_by, paused_since, _ = copied
    _keep(
        table,
        ScheduleRecord(name, revision, definition, next_at, last_at, last_uuid, paused_by, paused_since),
    )
    return True


def _keep(table: MessageTable, record: ScheduleRecord) -> None:
    """Store a schedule, which is offered when its tick is due; wake workers that are to know of that."""
    offer_at = None if record.paused_by else record.next_at
    table.schedules[record.name] = StoredSchedule(record, offer_at)
    if offer_at is not None:
        table.schedules_moved = True


def offer(table: MessageTable, registered: RegisteredWorker) -> tuple[str, ...]:
    """Offer what is due to a worker, if it fires schedules; return the names. Nobody else is offered these for a while.

    They are at most a batch, those first that are due first.
    """
    if not table.schedules or not registered.fires:
        return ()
    now = table.store.clock()
    due = sorted((at, name) for name, at in _offers(table) if at <= now)
    names = sorted(name for _, name in due[:PROMOTION_BATCH])
    for name in names:
        table.schedules[name].offer_at = now + SCHEDULE_OFFER
    return tuple(names)


def next_offer(table: MessageTable, registered: RegisteredWorker | None) -> int | None:
    """When a worker is to look at schedules next; None if none will be due.

    One that fires none leaves what is due to others, and looks again after a while.
    """
    if not table.schedules:
        return None
    offers = [at for _, at in _offers(table)]
    if registered is None or not registered.fires:
        now = table.store.clock()
        offers = [at if at > now else now + LEFT_TO_OTHERS for at in offers]
    return min(offers, default=None)


def _offers(table: MessageTable) -> list[tuple[str, int]]:
    """The schedules that are neither paused nor without a tick, and when each is to be offered next."""
    found = table.schedules.items()
    return [(name, stored.offer_at) for name, stored in found if stored.offer_at is not None]
