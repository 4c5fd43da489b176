"""What workers should know before they sleep, and which sleeping workers to wake for what a step has left.

What becomes ready notes its lane itself, by ``tx.wake``; those workers are woken after the commit.
"""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Worker
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import LANES, Lane, lanes_of_waiter
from alsek.storage.backends.sqlite.messages.aside_lanes import first_lanes, is_any, lanes_of
from alsek.storage.backends.sqlite.messages.claims import allowed
from alsek.storage.backends.sqlite.messages.leases import sleeper
from alsek.storage.backends.sqlite.messages.offers import due_for
from alsek.storage.backends.sqlite.messages.promotion import earliest, next_due, next_dues
from alsek.storage.backends.sqlite.messages.ready_queues import NAMES_AT_ONCE, is_any_ready
from alsek.storage.backends.sqlite.wakeup.waiter import SleepInfo

#: How many lanes to wake for: of each number, and of a worker's own queues.
_MOST_FIRST: Final = 16
_MOST_OWN: Final = 100

_FIRST_LANES: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT name, code FROM lanes WHERE ns = ? AND code = {code} ORDER BY name LIMIT {_MOST_FIRST})"  # noqa: S608
    for code in LANES
)
_OWN_LANES: Final = (
    f"SELECT name, code FROM lanes WHERE ns = ? AND code IN ({', '.join(map(str, LANES))}) "  # noqa: S608
    f"AND name IN ({{}}) LIMIT {_MOST_OWN}"
)


def sleep_info(tx: Transaction, worker: Worker, slot: SlotKind | None, expected: int | None) -> SleepInfo:
    """Return what a worker needs to know before it sleeps.

    Args:
        tx: A read.
        worker: The worker.
        slot: For messages of which slot kind it sleeps; None for all that it takes.
        expected: When it is to make a step because time has passed, as far as it knows; None for never.
    """
    known = sleeper(tx, worker)
    if known is None:
        return SleepInfo(missed=False, alarm=expected, lanes=3)
    may = allowed(tx, worker, known.id, suspects=1)
    suspects = may.freely or may.alone
    lanes = lanes_of_waiter(worker.kind, slot)
    codes = [code for each in lanes for code in each.plain if may.plain]
    codes += [code for each in lanes for code in each.suspects if suspects]
    ready = is_any_ready(tx, worker, codes)
    if known.aside and not ready:
        ready = is_any(lanes_of(tx, worker, known.id, lanes), codes)
    due, schedule = next_dues(tx)
    due = earliest(due, due_for(tx, known.id, schedule))
    sooner = due is not None and (expected is None or due < expected or due <= tx.now)
    return SleepInfo(missed=ready or sooner, alarm=expected, lanes=may.plain + 2 * suspects)


def wake_for_leftovers(database: Database, worker: Worker, due: int | None, *, aside: bool) -> None:
    """Wake the next sleeping workers if a step, which is committed, has left something ready.

    Args:
        database: The database.
        worker: The worker that made the step.
        due: When the next delayed message is due, if this worker may be too busy from now on to promote it.
        aside: Something may be set aside.
    """
    notifier = database.notifier
    if notifier.anyone_asleep():
        notifier.wake(database.read(lambda tx: _leftover_lanes(tx, worker, aside=aside)))
        if due is not None:
            notifier.set_alarm(due)


def pass_on(database: Database, worker: Worker, slot: int) -> None:
    """Wake other workers in place of this one, which sleeps in this slot: for what is ready and what is delayed."""
    notifier = database.notifier
    notifier.wake(database.read(lambda tx: _leftover_lanes(tx, worker, aside=True)), besides=slot)
    due = database.read(next_due)
    if due is not None:
        notifier.set_alarm(due, besides=slot)


def _leftover_lanes(tx: Transaction, worker: Worker, *, aside: bool) -> list[Lane]:
    """Return lanes with something in them, for which to wake other workers in place of this one.

    A few of each number, for workers that take from all queues: any of these lanes wakes them. And those of the
    worker's own queues, for workers that name queues too: one that names a queue is woken first when something comes
    there, so only another one that names it can have left it. With `aside` also some for what is set aside.
    """
    rows = tx.execute(_FIRST_LANES, (tx.ns,) * len(LANES)).fetchall()
    for names in in_pieces(worker.queues or (), NAMES_AT_ONCE):
        rows += tx.execute(_OWN_LANES.format(marks(len(names))), (tx.ns, *names)).fetchall()
        if len(rows) >= _MOST_OWN:
            break
    lanes = [Lane(name, code // 2, code % 2) for name, code in rows]
    return lanes + first_lanes(tx) if aside else lanes
