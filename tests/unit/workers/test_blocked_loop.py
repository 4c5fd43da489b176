"""Noticing that the loop stands still, with a fake clock: who is named, when, and how often."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek.core.message import Message
from alsek.core.worker.coroutine_executor.blocked_loop import BLOCKED_AFTER_MS, BlockedLoopWatch
from alsek.core.worker.coroutine_executor.loop_frames import Executing, executing
from tests.unit.workers.coroutine_harness import Coroutines
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

STEP = 50


class FakeLoop:
    """A loop that answers if the test says so."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.asked: list[Callable[[], object]] = []
        self.closed = False

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Keep it, as a blocked loop does."""
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.asked.append(callback)

    def answer(self) -> None:
        """Call what it was asked to call."""
        while self.asked:
            self.asked.pop()()


class Watched:
    """A watch over a fake loop, and its clock."""

    def __init__(self) -> None:
        self.loop: Any = FakeLoop()
        self.found: Executing | None = Executing(Message("slow", uuid="u"), "tasks.py, line 3")
        self.watch = BlockedLoopWatch(lambda: self.loop, lambda: True, lambda thread: self.found)
        self.now = 1_000

    def look(self, times: int = 1, *, every: int = STEP, answers: bool = False) -> None:
        """Look so often."""
        for _ in range(times):
            self.watch.look(self.now)
            if answers:
                self.loop.answer()
            self.now += every


@pytest.fixture
def watched() -> Watched:
    """One that has just begun."""
    return Watched()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_loop_that_answers_is_left_alone(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """However long it is watched."""
    watched.look(100, answers=True)
    assert said(caplog) == []
    assert watched.watch.blocked_since == 0


def test_what_blocks_it_is_named_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """With its message and the line that it is at, after a quarter of a second and not before."""
    watched.look(1 + BLOCKED_AFTER_MS // STEP)
    assert said(caplog) == []
    watched.look(10)
    (line,) = said(caplog)
    assert "Message(uuid='u'" in line
    assert "300 ms" in line
    assert "tasks.py, line 3" in line
    assert caplog.records[0].__dict__["uuid"] == "u"
    assert watched.watch.blocked_since == 1_000
    watched.loop.answer()
    watched.look(answers=True)
    assert watched.watch.blocked_since == 0
    watched.look(10)
    assert len(said(caplog)) == 1
    watched.loop.answer()
    watched.found = Executing(None, "elsewhere")
    watched.look(answers=True)
    watched.look(10)
    assert said(caplog)[1].startswith("A callback blocks the event loop")


def test_a_loop_that_only_waits_for_its_turn_blocks_nothing(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread executes nothing of anybody's."""
    watched.found = None
    watched.look(20)
    assert said(caplog) == []
    assert watched.watch.blocked_since == 0


def test_a_machine_that_gives_no_turn_blocks_nothing(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the watch itself was late, the loop may have been, too."""
    watched.look(20, every=400)
    assert said(caplog) == []


def test_a_new_loop_begins_anew(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """The one before was given up; one that is closed is not asked."""
    watched.look(5)
    watched.loop = FakeLoop()
    watched.look(5)
    assert said(caplog) == []
    watched.loop = FakeLoop()
    watched.loop.closed = True
    watched.look(20)
    assert said(caplog) == []


def test_the_thread_sleeps_while_nothing_runs() -> None:
    """It is woken by the next coroutine, and ends when it is told to."""
    busy = [True]
    loop: Any = FakeLoop()
    watch = BlockedLoopWatch(lambda: loop, lambda: busy[0], lambda thread: None)
    watch.wake()
    eventually(lambda: loop.asked)
    busy[0] = False
    eventually(lambda: watch.asleep)
    asked = len(loop.asked)
    busy[0] = True
    watch.wake()
    eventually(lambda: len(loop.asked) > asked)
    watch.stop()
    assert watch._thread is not None
    watch._thread.join(PATIENCE)
    assert not watch._thread.is_alive()


@pytest.fixture
def group(broker: Any) -> Iterator[Coroutines]:
    """A group with a loop."""
    group = Coroutines(broker)
    yield group
    group.close()


def test_what_a_loop_executes_is_read_from_its_frames(group: Coroutines) -> None:
    """None while it waits; else the line, and the message in whose context it runs."""
    blocks, go_on = threading.Event(), threading.Event()

    def block() -> None:
        blocks.set()
        go_on.wait(PATIENCE)  # here

    loop = group.loop.current()
    eventually(lambda: executing(loop.thread) is None)
    contextvars.Context().run(loop.call_soon, block)
    assert blocks.wait(PATIENCE)
    found = executing(loop.thread)
    assert found is not None
    assert found.message is None
    go_on.set()
    eventually(lambda: executing(loop.thread) is None)


def test_many_callbacks_one_after_the_other_are_no_block(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Thousands of coroutines that are due at once hold up the answer: each look finds another one."""
    for number in range(20):
        watched.found = Executing(Message("quick", uuid=str(number)), "tasks.py, line 5")
        watched.look()
    assert said(caplog) == []
    watched.look()
    (line,) = said(caplog)
    assert "Message(uuid='19'" in line
