"""Child processes: forked, watched, and ended with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alsek.core.worker import forking
from alsek.core.worker.child_process import EXIT_UNKNOWN, ChildProcess, ParentPipes, fork_watched
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually


def open_descriptors() -> set[str]:
    """The descriptors that this process has open."""
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def ended(child: ChildProcess) -> int:
    """Wait for the end. Returns the status."""
    eventually(child.reap)
    child.close()
    assert child.status is not None
    return child.status


Forker = Callable[..., ChildProcess]


@pytest.fixture
def start() -> Iterator[Forker]:
    """Forks children, and ends those that are left."""
    started: list[ChildProcess] = []

    def start(main: Callable[[ParentPipes], int], close: tuple[int, ...] = ()) -> ChildProcess:
        started.append(fork_watched(main, close))
        return started[-1]

    yield start
    for child in started:
        if child.status is None:
            with contextlib.suppress(ChildProcessError):
                child.signal(signal.SIGKILL)
                ended(child)


@pytest.mark.parametrize("code", [0, 1, 75, 255])
def test_a_child_exits_with_what_its_main_returns(start: Forker, code: int) -> None:
    """The exit code is the return value."""
    assert ended(start(lambda _: code)) == code


def test_an_exit_code_that_other_code_has_fetched(start: Forker) -> None:
    """A thread of user code that calls ``os.wait()`` takes the exit code away: the child has ended all the same."""
    child = start(lambda _: 7)
    os.waitpid(child.pid, 0)
    assert ended(child) == EXIT_UNKNOWN
    assert "in an unknown way" in child.exit_description


def test_a_stream_that_exits_when_it_is_flushed(start: Forker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module has replaced standard output by it: that ends neither the parent nor the child."""

    class Stream:
        """Exits."""

        def flush(self) -> None:
            raise SystemExit(3)

    monkeypatch.setattr("sys.stdout", Stream())
    assert ended(start(lambda _: 0)) == 0


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(0), KeyboardInterrupt()])
def test_an_exception_in_a_child_is_exit_code_1(start: Forker, error: BaseException) -> None:
    """Whatever it raises, it never returns into its parent's code, nor exits with 0."""

    def main(_: ParentPipes) -> int:
        raise error

    child = start(main)
    assert ended(child) == 1
    assert child.exit_description == "ended with exit code 1"


def test_a_sigterm_right_after_the_fork_ends_the_child(
    start: Forker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the child has its own handlers, whatever its parent's handler does."""
    really_fork = os.fork

    def fork_and_signal() -> int:
        pid = really_fork()
        if not pid:
            os.kill(os.getpid(), signal.SIGTERM)
        return pid

    monkeypatch.setattr(forking.os, "fork", fork_and_signal)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert ended(start(lambda _: 0)) == -signal.SIGTERM
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_status_of_a_killed_child_is_its_signal(start: Forker) -> None:
    """The status is minus the signal, and the description names it."""
    child = start(lambda _: time.sleep(PATIENCE) or 0)
    child.signal(signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert child.exit_description == "was killed by SIGKILL"
    child.signal(signal.SIGTERM)  # of one that has ended: nothing happens


def test_a_child_has_default_handlers(start: Forker) -> None:
    """SIGTERM, SIGINT and SIGCHLD have their default actions, and nothing is written to the parent's wake-up pipe."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

    def main(_: ParentPipes) -> int:
        clean = all(signal.getsignal(number) == signal.SIG_DFL for number in numbers)
        return 0 if clean and signal.set_wakeup_fd(-1) == -1 else 9

    before = [signal.signal(number, lambda *_: None) for number in numbers]
    out, into = os.pipe()
    os.set_blocking(into, False)
    wakeup = signal.set_wakeup_fd(into)
    try:
        child = start(main)
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert ended(child) == 0
    os.close(out)
    os.close(into)


def test_notifications_arrive_and_end(start: Forker) -> None:
    """A notification makes `notifications` readable; `at_eof` is set once the child has closed its end."""

    def main(inherited: ParentPipes) -> int:
        for _ in range(100_000):  # more than a pipe holds: it never blocks
            inherited.notify()
        return 0

    child = start(main)
    eventually(child.reap)
    assert os.read(child.notifications, 1) == b"!"
    while not child.at_eof:
        child.read_notifications()
    child.close()


def test_siblings_close_each_others_descriptors(start: Forker) -> None:
    """A child closes the given descriptors, such as its sibling's lifeline and notifications."""
    first = start(lambda inherited: len(os.read(inherited.lifeline, 1)))

    def main(_: ParentPipes) -> int:
        for descriptor in first.descriptors:
            try:
                os.fstat(descriptor)
            except OSError:
                continue
            return 9
        return 0

    assert ended(start(main, first.descriptors)) == 0
    first.signal(signal.SIGKILL)
    ended(first)


def test_a_child_ends_with_its_parent() -> None:
    """Also when the parent is killed by SIGKILL, whatever the child is doing."""
    program = (
        "import os, sys, time\n"
        "from alsek.core.worker.child_process import fork_watched\n"
        "child = fork_watched(lambda inherited: time.sleep(60) or 0)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    # Its own end of standard output closes with it: then all that wrote there have ended.
    assert parent.stdout.read() == b""
    parent.stdout.close()
    eventually(
        lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    )


@pytest.mark.deep
def test_nothing_is_left_of_two_hundred_children() -> None:
    """No descriptor and no zombie."""
    before = open_descriptors()
    pids = []
    for _ in range(200):
        child = fork_watched(lambda _: 0)
        eventually(child.reap)
        child.close()
        pids.append(child.pid)
    assert open_descriptors() == before
    for pid in pids:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_its_end_can_be_waited_for(start: Forker) -> None:
    """Not longer than asked."""
    child = start(lambda _: time.sleep(60) or 0)
    assert not child.wait(20)
    child.signal(signal.SIGKILL)
    assert child.wait(60_000)
    assert child.status == -signal.SIGKILL
    child.close()


def test_a_fork_that_fails_leaves_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error goes to the caller, and everything that was opened for the child is closed."""

    def refuse() -> int:
        raise BlockingIOError("no more processes")

    before = open_descriptors()
    monkeypatch.setattr(forking.os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        fork_watched(lambda _: 0)
    assert open_descriptors() == before


class Broken:
    """A stream by which user code has replaced standard output."""

    def write(self, _: str) -> int:
        return 0

    def flush(self) -> None:
        raise RuntimeError("not this one")


@pytest.mark.parametrize("stream", [None, Broken()], ids=["none", "broken"])
def test_no_stream_keeps_a_child_from_exiting(
    monkeypatch: pytest.MonkeyPatch, start: Forker, stream: object
) -> None:
    """With standard output closed, or one whose flush raises in the child, it still exits with its own code."""
    here = os.getpid()

    def main(_: ParentPipes) -> int:
        assert os.getpid() != here
        sys.stdout = stream  # type: ignore[assignment]
        return 5

    if stream is None:
        monkeypatch.setattr(sys, "stdout", None)
    assert ended(start(main)) == 5
    assert os.getpid() == here
