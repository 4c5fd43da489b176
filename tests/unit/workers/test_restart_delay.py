"""The delays between starts of groups that fail."""

from __future__ import annotations

from alsek.core.worker.supervisor.restart_delay import LONGEST_FAILED_START_MS, RestartDelay

NOW = 1_000_000


def test_failed_starts_are_delayed_longer_and_longer() -> None:
    """From one to two seconds up to half a minute at most."""
    delay = RestartDelay()
    pauses = [delay.on_failed_start(NOW) for _ in range(20)]
    assert 1_000 <= pauses[0] <= 2_000
    assert all(LONGEST_FAILED_START_MS / 2 <= pause <= LONGEST_FAILED_START_MS for pause in pauses[6:])
    assert delay.until == NOW + pauses[-1]


def test_an_orderly_exit_makes_delays_short_again() -> None:
    """The next failure counts as the first."""
    delay = RestartDelay()
    for _ in range(20):
        delay.on_failed_start(NOW)
    delay.on_orderly_exit()
    assert delay.on_failed_start(NOW) <= 2_000


def test_early_deaths_are_delayed_longer_and_longer() -> None:
    """A group that lived for less than a second is started again after up to five seconds."""
    delay = RestartDelay()
    delay.on_death(NOW, started_at=NOW - 999)
    assert 0 < delay.until - NOW <= 100
    for _ in range(20):
        delay.on_death(NOW, started_at=NOW - 999)
    assert 2_500 <= delay.until - NOW <= 5_000


def test_a_later_death_is_not_delayed() -> None:
    """And makes the delays of early deaths and of failed starts short again."""
    delay = RestartDelay()
    for _ in range(20):
        delay.on_death(NOW, started_at=NOW - 999)
        delay.on_failed_start(NOW)
    before = delay.until
    delay.on_death(NOW + 60_000, started_at=NOW)
    assert delay.until == before
    assert delay.on_failed_start(NOW) <= 2_000
    delay.on_death(NOW, started_at=NOW - 999)
    assert delay.until - NOW <= 100


def test_a_fork_that_fails_is_tried_again_after_a_second() -> None:
    """Every time: the machine may have processes again at any moment."""
    delay = RestartDelay()
    for _ in range(5):
        delay.on_fork_failed(NOW)
        assert delay.until == NOW + 1_000
