"""How fast the tasks of an executor end."""

from __future__ import annotations

from alsek.core.worker.thread_executor.recent_durations import RecentDurations

SHORT, LONG = 2_000, 200_000  # ns


def many_short() -> RecentDurations:
    """The durations of many short tasks."""
    durations = RecentDurations()
    for _ in range(50):
        durations.record(SHORT)
    return durations


def test_nothing_is_taken_to_be_short_unseen() -> None:
    """It takes a number of short tasks until they are trusted."""
    durations = RecentDurations()
    assert not durations.very_short
    durations.record(SHORT)
    assert not durations.very_short
    assert many_short().very_short


def test_one_longer_task_is_enough() -> None:
    """A task as long as a wait for another process ends it, until many short ones have followed."""
    durations = many_short()
    durations.record(LONG)
    assert not durations.very_short
    durations.record(SHORT)
    assert not durations.very_short
    for _ in range(50):
        durations.record(SHORT)
    assert durations.very_short


def test_it_can_be_lost_without_an_end() -> None:
    """A task that goes on and on has no length to note."""
    durations = many_short()
    durations.reset()
    assert not durations.very_short
