"""How fast the tasks of an executor end."""

from __future__ import annotations

from alsek.core.worker.thread_executor.recent_durations import RecentDurations

SHORT, LONG = 2_000, 200_000  # ns


def brisk() -> RecentDurations:
    """A rhythm of many short tasks."""
    rhythm = RecentDurations()
    for _ in range(50):
        rhythm.note(SHORT)
    return rhythm


def test_nothing_is_taken_to_be_short_unseen() -> None:
    """It takes a number of short tasks until they are trusted."""
    rhythm = RecentDurations()
    assert not rhythm.brisk
    rhythm.note(SHORT)
    assert not rhythm.brisk
    assert brisk().brisk


def test_one_longer_task_is_enough() -> None:
    """A task as long as a wait for another process ends it, until many short ones have followed."""
    rhythm = brisk()
    rhythm.note(LONG)
    assert not rhythm.brisk
    rhythm.note(SHORT)
    assert not rhythm.brisk
    for _ in range(50):
        rhythm.note(SHORT)
    assert rhythm.brisk


def test_it_can_be_lost_without_an_end() -> None:
    """A task that goes on and on has no length to note."""
    rhythm = brisk()
    rhythm.lose()
    assert not rhythm.brisk
