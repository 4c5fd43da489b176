"""The limit of prefetching follows from how long tasks take."""

from __future__ import annotations

import pytest

from alsek.core.worker.process_executor.prefetch_limit import MOST_PREFETCHED, PrefetchLimit


def test_nothing_is_prefetched_before_tasks_were_short() -> None:
    """It takes several short tasks; then as many are prefetched as are allowed."""
    limit = PrefetchLimit()
    assert limit.limit == 0
    limit.record(1, 0.05)
    assert limit.limit == 0
    for _ in range(200):
        limit.record(1, 0.05)
    assert limit.limit == MOST_PREFETCHED


@pytest.mark.parametrize(
    ("each", "prefetched"),
    [
        (0.01, MOST_PREFETCHED),
        (0.5, 8),
        (1.0, 4),
        (3.0, 1),
        (5.0, 1),
        (9.0, 1),
        (19.0, 1),
        (21.0, 0),
        (1000.0, 0),
    ],
)
def test_prefetching_is_bounded_by_time(each: float, prefetched: int) -> None:
    """As many as run in four milliseconds; one for tasks up to twenty; none for longer ones."""
    limit = PrefetchLimit()
    for _ in range(50):
        limit.record(16, 16 * each)
    assert limit.limit == prefetched


def test_one_long_task_ends_prefetching_until_tasks_are_short_again() -> None:
    """A task of a second among many short ones, or one that kept others waiting: none ahead for a while."""
    for trouble in (lambda limit: limit.record(1, 1000.0), PrefetchLimit.reset):
        limit = PrefetchLimit()
        limit.record(1_000, 1.0)
        assert limit.limit == MOST_PREFETCHED
        trouble(limit)
        limit.record(4, 0.1)
        assert limit.limit == 0
        for _ in range(500):
            limit.record(1, 0.05)
        assert limit.limit == MOST_PREFETCHED


def test_a_task_slower_than_the_mean_has_four_times_the_weight() -> None:
    """One of twelve milliseconds among tasks of none makes a mean of three: one is prefetched, and not five."""
    limit = PrefetchLimit()
    limit.record(1_000, 0.0)
    limit.record(1, 12.0)
    assert limit.limit == 1
