"""Pauses between attempts: how they grow, where they stop, and what chance does to them."""

from __future__ import annotations

from alsek.core.pauses import Pauses


def test_each_pause_is_longer_up_to_the_longest() -> None:
    """At their full length they double; the longest repeats."""
    pauses = Pauses(100, 5_000, draw=lambda: 1.0)
    assert [pauses.next() for _ in range(8)] == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]
    assert pauses.count == 8


def test_a_success_begins_anew() -> None:
    """The next failure pauses as briefly as the first."""
    pauses = Pauses(0.1, 5.0, draw=lambda: 1.0)
    for _ in range(4):
        pauses.next()
    pauses.reset()
    assert pauses.count == 0
    assert pauses.next() == 0.1


def test_the_factor_may_be_another() -> None:
    """As between writers of one file, which wait for less than a millisecond."""
    pauses = Pauses(1.0, 2.0, factor=1.5, draw=lambda: 1.0)
    assert [pauses.next() for _ in range(4)] == [1.0, 1.5, 2.0, 2.0]


def test_chance_shortens_a_pause_within_its_range() -> None:
    """By default to half of it at most; the growth is that of the full length."""
    assert [Pauses(100, 200, draw=lambda: 0.0).next(), Pauses(100, 200, draw=lambda: 0.5).next()] == [50, 75]
    wide = Pauses(100, 200, jitter=(0.5, 1.5), draw=lambda: 1.0)
    assert [wide.next(), wide.next(), wide.next()] == [150, 300, 300]


def test_pauses_differ_from_each_other() -> None:
    """Two processes that failed together try again apart."""
    drawn = {Pauses(100, 100).next() for _ in range(20)}
    assert len(drawn) > 1
    assert all(50 <= pause <= 100 for pause in drawn)


def test_many_failures_overflow_nothing() -> None:
    """However long the store is away."""
    pauses = Pauses(1.0, 30.0)
    for _ in range(5_000):
        assert pauses.next() <= 30.0
