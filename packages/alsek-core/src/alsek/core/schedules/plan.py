"""What is fired of a schedule that is due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from alsek.core.schedules.definition import MissedPolicy
from alsek.core.schedules.ticks import Ticks, first_ticks, last_ticks
from alsek.defaults import MAX_MISSED_TICKS, MISSED_AFTER

#: The most ticks that are fired in one step of the store.
FIRE_BATCH: Final = 100


class Step(NamedTuple):
    """One call of :meth:`~alsek.storage.backends.ports.SchedulePort.fire`.

    Attributes:
        at: The tick at which the schedule stands.
        ticks: Those of which messages are submitted.
        next_at: Where it stands then.
    """

    at: int
    ticks: tuple[int, ...]
    next_at: int | None


def is_missed(tick: int, now: int) -> bool:
    """Return True if a tick is so late that there was a time in which no pool could fire it."""
    return now - tick > MISSED_AFTER


def steps(ticks: Ticks, missed: MissedPolicy, at: int, now: int, waited: int = 0) -> Iterator[Step]:
    """Yield the steps that fire what is due.

    If the first tick is not late, but for the time that it has waited, each one is fired. Else they were missed: then
    the policy decides.

    Args:
        ticks: Those of the trigger.
        missed: What is fired of missed ticks.
        at: Where the schedule stands.
        now: The time on the store's clock, at which `at` is due.
        waited: How long ago it was offered: a pool had it in hand since then, and fired others.
    """
    if not is_missed(at, now - waited):
        yield from _all_due(ticks, at, now)
    elif missed == "all":
        yield from _in_steps(at, last_ticks(ticks, at, now, MAX_MISSED_TICKS), ticks.after(now))
    else:
        due = tuple(last_ticks(ticks, at, now, 1)) if missed == "latest" else ()
        yield Step(at, due, ticks.after(now))


def _all_due(ticks: Ticks, at: int, now: int) -> Iterator[Step]:
    following: int | None = at
    while following is not None and following <= now:
        at = following
        due = first_ticks(ticks, at, now, FIRE_BATCH)
        following = ticks.after(due[-1])
        yield Step(at, tuple(due), following)


def _in_steps(at: int, due: list[int], following: int | None) -> Iterator[Step]:
    for start in range(0, len(due), FIRE_BATCH):
        batch = tuple(due[start : start + FIRE_BATCH])
        rest = due[start + FIRE_BATCH :]
        next_at = rest[0] if rest else following
        yield Step(at, batch, next_at)
        if next_at is not None:
            at = next_at
