"""How fast the tasks of a crew end."""

from __future__ import annotations

from alsek.core.worker.pace import Pace

SHORT, LONG = 2_000, 200_000  # ns


def brisk() -> Pace:
    """A pace of many short tasks."""
    pace = Pace()
    for _ in range(50):
        pace.note(SHORT)
    return pace


def test_nothing_is_taken_to_be_short_unseen() -> None:
    """It takes a number of short tasks until they are trusted."""
    pace = Pace()
    assert not pace.brisk
    pace.note(SHORT)
    assert not pace.brisk
    assert brisk().brisk


def test_one_longer_task_is_enough() -> None:
    """A task as long as a wait for another process ends it, until many short ones have followed."""
    pace = brisk()
    pace.note(LONG)
    assert not pace.brisk
    pace.note(SHORT)
    assert not pace.brisk
    for _ in range(50):
        pace.note(SHORT)
    assert pace.brisk


def test_it_can_be_lost_without_an_end() -> None:
    """A task that goes on and on has no length to note."""
    pace = brisk()
    pace.lose()
    assert not pace.brisk
