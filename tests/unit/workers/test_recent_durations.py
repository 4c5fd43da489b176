"""How fast the tasks of an executor end."""

from __future__ import annotations

from alsek.core.worker.thread_executor.recent_durations import MOST_IN_FLIGHT, RecentDurations

SHORT, LONG = 2_000, 200_000  # ns


def many_short() -> RecentDurations:
    """The durations of many short tasks."""
    durations = RecentDurations(2)
    for _ in range(50):
        durations.record([SHORT])
    return durations


def test_nothing_is_taken_to_be_short_unseen() -> None:
    """It takes a number of short tasks until they are trusted."""
    durations = RecentDurations(2)
    assert not durations.very_short
    durations.record([SHORT])
    assert not durations.very_short
    assert many_short().very_short


def test_one_longer_task_is_enough() -> None:
    """A task as long as a wait for another process ends it, until many short ones have followed."""
    durations = many_short()
    durations.record([LONG])
    assert not durations.very_short
    durations.record([SHORT])
    assert not durations.very_short
    for _ in range(50):
        durations.record([SHORT])
    assert durations.very_short


def test_it_can_be_lost_without_an_end() -> None:
    """A task that goes on and on has no length to note."""
    durations = many_short()
    durations.reset()
    assert not durations.very_short


def test_of_many_one_may_be_long() -> None:
    """The system may have taken the thread's processor away; two are no accident, nor is one of few."""
    durations = many_short()
    durations.record([SHORT] * 7 + [LONG])
    assert durations.very_short
    durations.record([SHORT] * 6 + [LONG])
    assert not durations.very_short
    durations = many_short()
    durations.record([SHORT] * 8 + [LONG] * 2)
    assert not durations.very_short


def test_the_shorter_tasks_are_the_more_are_in_flight() -> None:
    """As many as run within 2 ms, and no more than 64; for each thread one, or two while all are very short."""
    durations = RecentDurations(2)
    assert durations.in_flight == 2
    assert many_short().in_flight == 64 < MOST_IN_FLIGHT
    for _ in range(50):
        durations.record([80_000])
    assert durations.in_flight == 25
    durations.reset()
    assert durations.in_flight == 2
    many = RecentDurations(100)
    for _ in range(50):
        many.record([SHORT])
    assert many.in_flight == 200


def test_the_farther_the_store_the_more_are_in_flight() -> None:
    """What travels and what runs meanwhile take as long as the way; a single slow trip does not count."""
    durations = many_short()
    for _ in range(50):
        durations.record([80_000])
    assert durations.in_flight == 25
    for _ in range(20):
        durations.record_trip(8_000_000, 0)
    durations.record([80_000])
    assert 50 < durations.in_flight <= 200
    for _ in range(200):
        durations.record_trip(10_000_000, 100)
    durations.record([80_000])
    assert durations.in_flight == 2 * 5_000_000 // 80_000
    for _ in range(200):
        durations.record_trip(1_000_000_000, 100)
    durations.record([80_000])
    assert durations.in_flight == MOST_IN_FLIGHT
    durations.record_trip(1_000_000, 32)
    durations.record_trip(1_000_000_000, 32)
    durations.record([80_000])
    assert durations.in_flight == 25


def test_what_each_message_adds_to_a_trip_is_no_way() -> None:
    """Large trips take longer; that is no reason to make them larger."""
    durations = many_short()
    for _ in range(100):
        durations.record_trip(3_000_000, 64)
    durations.record([SHORT])
    assert durations.in_flight == 64
