"""Running a pool from a command: signals before and after the pool handles them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from alsek.cli import run_pool

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tasks and no log output; signals are handled as before in the end."""
    monkeypatch.setattr(run_pool, "find", lambda target: SimpleNamespace(tasks=[], hooks=[]))
    monkeypatch.setattr(run_pool, "LogOutput", MagicMock())
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Pool:
    """A pool that only does this."""

    def __init__(self, runs: Callable[[], None]) -> None:
        self.run = runs


def _run(runs: Callable[[], None]) -> None:
    def kind(*_: Any, **__: Any) -> Pool:
        return Pool(runs)

    run_pool.run_pool("tasks", kind, log_level="ERROR", log_format="text", reload=False)


@pytest.mark.parametrize("number", _NUMBERS)
def test_a_signal_before_the_pool_handles_signals_ends_the_command(number: int) -> None:
    """It holds no messages yet: it exits at once, with code 0, and later signals don't disturb that."""
    arrived = []

    def run() -> None:
        signal.raise_signal(number)
        arrived.append(number)

    with pytest.raises(SystemExit) as exited:
        _run(run)
    assert (exited.value.code, arrived) == (0, [])
    for later in _NUMBERS:
        signal.raise_signal(later)


_FINALIZER = """
import signal
from alsek.cli.run_pool import _leave_on_signals

class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

_leave_on_signals()
print("begun")
Interrupted()
print("went on")
"""


def test_a_signal_while_a_finalizer_runs_is_not_lost() -> None:
    """Python ignores what is raised there; the pool would go on, and whoever stops it would wait."""
    done = subprocess.run([sys.executable, "-c", _FINALIZER], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "begun\n"), done.stderr


def test_a_signal_that_was_ignored_stays_so() -> None:
    """A pool that a shell has started in the background ignores Ctrl-C, as it was told to."""
    arrived = []

    def run() -> None:
        signal.raise_signal(signal.SIGINT)
        arrived.append(signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _run(run)
    assert arrived


@pytest.mark.parametrize("number", _NUMBERS)
def test_a_signal_after_the_pool_has_stopped_changes_nothing(number: int) -> None:
    """The exit code stays 0 while the interpreter shuts down."""
    _run(lambda: None)
    signal.raise_signal(number)


def test_a_signal_while_the_pool_closes_its_store_is_told_as_a_stop(caplog: pytest.LogCaptureFixture) -> None:
    """Two are often sent at once: by then the pool has stopped in good order, and the log ends as ever."""
    caplog.set_level("INFO", "alsek")
    with pytest.raises(SystemExit) as exited:
        _run(lambda: signal.raise_signal(signal.SIGTERM))
    assert exited.value.code == 0
    assert caplog.messages == ["Stopped."]
