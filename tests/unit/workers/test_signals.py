"""Signals that stop a pool, and what its processes do with them."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from alsek.core.worker.signals import StopSignals, leave_stop_to_supervisor, reset_signals
from tests.unit.workers.fakes import FakeClock

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@pytest.fixture
def clock() -> FakeClock:
    """The clock of the signals."""
    return FakeClock()


@pytest.fixture
def signals(clock: FakeClock) -> Iterator[StopSignals]:
    """Signals that are handled during a test."""
    with StopSignals(clock) as signals:
        yield signals


def readable(signals: StopSignals) -> bool:
    """Return True if a loop that sleeps on it would wake."""
    return bool(select.select([signals], [], [], 0)[0])


def send(number: int) -> None:
    """Send it to this process, and return once its handler has run."""
    os.kill(os.getpid(), number)
    signal.sigtimedwait([], 0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_stops(signals: StopSignals, number: int) -> None:
    """Each of them sets the flag, and makes the descriptor readable once."""
    assert not readable(signals)
    send(number)
    assert signals.stopping
    assert not signals.at_once
    assert readable(signals)
    signals.drain()
    assert not readable(signals)


def test_two_signals_at_once_are_one(signals: StopSignals, clock: FakeClock) -> None:
    """Terminals and process managers send two at once: only one a second later is a second one."""
    send(signal.SIGINT)
    clock.now += 900
    send(signal.SIGTERM)
    assert not signals.at_once
    clock.now += 100
    send(signal.SIGTERM)
    assert signals.at_once


def test_the_end_of_a_child_wakes_and_stops_nothing(signals: StopSignals) -> None:
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


@pytest.fixture
def restored() -> Iterator[None]:
    """Handlers and mask are restored."""
    handlers = {number: signal.getsignal(number) for number in (*NUMBERS, signal.SIGHUP, signal.SIGPIPE)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_is_ignored_at_the_start_stays_ignored(number: int) -> None:
    """`nohup` and `&` in scripts rely on it: in the supervisor, its children, and programs that these start."""
    signal.signal(number, signal.SIG_IGN)
    with StopSignals() as signals:
        send(number)
        assert not signals.stopping
        leave_stop_to_supervisor()
        assert signal.getsignal(number) is signal.SIG_IGN
        reset_signals()
        assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.usefixtures("restored")
def test_sigterm_stops_also_when_it_was_ignored_and_blocked() -> None:
    """The program that started the pool, or user code, may have done either."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGCHLD))
    with StopSignals() as signals:
        send(signal.SIGCHLD)
        assert readable(signals)
        send(signal.SIGTERM)
        assert signals.stopping
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
        pid = os.fork()
        if not pid:
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
    assert {signal.SIGTERM, signal.SIGCHLD} <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


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
