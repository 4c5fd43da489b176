"""The reloader: a pool that is started again when files change. The pool's process is played."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from alsek.cli.reloading.reloader import Reloader, run_reloading
from alsek.exceptions import ValidationError


class FakePool:
    """A process that ends when it is told to, or with `code` at once."""

    def __init__(self, code: int | None = None, *, stubborn: bool = False) -> None:
        self.returncode = code
        self.stubborn = stubborn
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if not self.stubborn:
            self.returncode = 0

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.stubborn = False
        self.returncode = -signal.SIGKILL

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            raise subprocess.TimeoutExpired("pool", timeout)
        return self.returncode


class Scene:
    """Changes as the test tells them, and the pools that are started."""

    def __init__(self, changes: Sequence[Any], pools: Sequence[FakePool], ends_within_s: float = 5.0) -> None:
        self.stop = threading.Event()
        self.pools = pools
        self.started: list[FakePool] = []
        start: Any = self._start
        self.reloader = Reloader(start, self._tell(changes), self.stop, ends_within_s)

    def _start(self) -> FakePool:
        self.started.append(self.pools[len(self.started)])
        return self.started[-1]

    def _tell(self, changes: Sequence[Any]) -> Iterator[Sequence[str]]:
        for change in changes:
            if callable(change):
                change(self)
                yield []
            else:
                yield change

    def run(self) -> int:
        """Run, with the signal handlers as they were afterwards."""
        before = {number: signal.getsignal(number) for number in (1, 2, 15)}
        try:
            return self.reloader.run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def sigterm(_: Scene) -> None:
    """A SIGTERM to this process."""
    signal.raise_signal(signal.SIGTERM)


def test_the_pool_is_started_at_once_and_again_at_each_change() -> None:
    """The old one is stopped first, as by a first signal."""
    pools = [FakePool(), FakePool(), FakePool()]
    scene = Scene([[], [], ["tasks.py"], [], ["tasks.py", "other.py"], sigterm], pools)
    assert scene.run() == 0
    assert scene.started == pools
    assert [pool.signals for pool in pools] == [[15], [15], [15]]


@pytest.mark.parametrize("code", [1, 2, 3, -9])
def test_a_pool_that_fails_is_started_again_at_the_next_change(code: int) -> None:
    """An error in a file is mended in the next one; until then nothing is started."""
    pools = [FakePool(code), FakePool()]
    scene = Scene([[], [], []], pools)
    assert scene.run() == 0
    assert scene.started == pools[:1]
    scene = Scene([[], [], ["tasks.py"], [], sigterm], pools)
    assert scene.run() == 0
    assert scene.started == pools


def test_a_pool_that_ends_in_good_order_ends_the_reloader() -> None:
    """As with `--burst`."""
    scene = Scene([[], [], ["tasks.py"]], [FakePool(0), FakePool()])
    assert scene.run() == 0
    assert len(scene.started) == 1


def test_a_pool_that_does_not_end_is_killed() -> None:
    """Long after its own time for running tasks is over; then the next one starts."""
    pools = [FakePool(stubborn=True), FakePool()]
    scene = Scene([[], ["tasks.py"], sigterm], pools, ends_within_s=0.0)
    assert scene.run() == 0
    assert pools[0].returncode == -signal.SIGKILL
    assert scene.started == pools


def test_each_signal_is_passed_on() -> None:
    """The pool counts them: the second one stops it at once. The reloader adds none of its own."""
    pool = FakePool(stubborn=True)

    def twice(_: Scene) -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pool.returncode = 1

    scene = Scene([[], twice], [pool])
    assert scene.run() == 1
    assert pool.signals == [15, 15]


def test_a_missing_watchfiles_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ValidationError, match=r"pip install 'alsek-cli\[reload\]'"):
        run_reloading("tasks", 1_000)
