"""The two signals that end a pool."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from alsek.core.worker import signals as module
from alsek.core.worker.signals import StopSignals

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Time:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Now."""
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The module's clock."""
    clock = Time()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    """Handled for the length of a test."""
    with StopSignals() as signals:
        yield signals


def readable(signals: StopSignals) -> bool:
    """Whether a loop that sleeps on it would wake."""
    return bool(select.select([signals], [], [], 0)[0])


def send(number: int) -> None:
    """Send it to this process, and return once its handler has run."""
    os.kill(os.getpid(), number)
    signal.sigtimedwait([], 0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops(signals: StopSignals, number: int) -> None:
    """Either of them sets the flag, and wakes whoever sleeps on it, once."""
    assert not readable(signals)
    send(number)
    assert signals.stopping
    assert not signals.at_once
    assert readable(signals)
    signals.drain()
    assert not readable(signals)


def test_two_signals_in_one_breath_are_one(signals: StopSignals, time: Time) -> None:
    """Terminals and process managers send two at once: only one a second later is a second one."""
    send(signal.SIGINT)
    time.now += 0.9
    send(signal.SIGTERM)
    assert not signals.at_once
    time.now += 0.1
    send(signal.SIGTERM)
    assert signals.at_once


def test_a_childs_death_wakes_and_stops_nothing(signals: StopSignals) -> None:
    """SIGCHLD makes it readable; it is no reason to stop."""
    send(signal.SIGCHLD)
    assert readable(signals)
    assert not signals.stopping


def test_a_storm_of_signals_blocks_nobody(signals: StopSignals) -> None:
    """More signals than a pipe holds are no error, and one drain takes them all."""
    for _ in range(70_000):
        os.kill(os.getpid(), signal.SIGCHLD)
    signals.drain()
    assert not readable(signals)


def test_all_is_as_before_afterwards() -> None:
    """Handlers, wake-up descriptor and open files are those of before."""
    handlers = [signal.getsignal(number) for number in NUMBERS]
    files = os.listdir("/proc/self/fd")  # noqa: PTH208
    with StopSignals() as signals:
        assert len(signals.descriptors) == 2
        assert [signal.getsignal(number) for number in NUMBERS] != handlers
    assert [signal.getsignal(number) for number in NUMBERS] == handlers
    assert os.listdir("/proc/self/fd") == files  # noqa: PTH208
    assert signal.set_wakeup_fd(-1) == -1
