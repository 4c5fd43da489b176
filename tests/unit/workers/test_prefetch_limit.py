"""The pace: how many messages may be claimed ahead follows from how long tasks take."""

from __future__ import annotations

import pytest

from alsek.core.worker.process_executor.prefetch_limit import MOST_AHEAD, PrefetchLimit


def test_nothing_is_claimed_ahead_before_tasks_have_proved_short() -> None:
    """It takes several short ones; then as many are claimed ahead as are allowed."""
    pace = PrefetchLimit()
    assert pace.ahead == 0
    pace.note(1, 0.05)
    assert pace.ahead == 0
    for _ in range(200):
        pace.note(1, 0.05)
    assert pace.ahead == MOST_AHEAD


@pytest.mark.parametrize(
    ("each", "ahead"),
    [(0.01, MOST_AHEAD), (0.5, 8), (1.0, 4), (3.0, 1), (5.0, 1), (9.0, 1), (11.0, 0), (1000.0, 0)],
)
def test_what_is_claimed_ahead_is_bounded_by_time(each: float, ahead: int) -> None:
    """As many as run in four milliseconds; one for tasks up to ten; none for longer ones."""
    pace = PrefetchLimit()
    for _ in range(50):
        pace.note(16, 16 * each)
    assert pace.ahead == ahead


def test_one_long_task_ends_it_and_many_short_ones_begin_it_anew() -> None:
    """A task of a second among many short ones, or one that kept others waiting: none ahead for a while."""
    for trouble in (lambda pace: pace.note(1, 1000.0), PrefetchLimit.stumble):
        pace = PrefetchLimit()
        pace.note(1_000, 1.0)
        assert pace.ahead == MOST_AHEAD
        trouble(pace)
        pace.note(4, 0.1)
        assert pace.ahead == 0
        for _ in range(500):
            pace.note(1, 0.05)
        assert pace.ahead == MOST_AHEAD
