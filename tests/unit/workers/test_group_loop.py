"""The event loop of a group: who may use it, from where, and how it ends."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from alsek.core.worker.coroutine_executor import event_loop
from alsek.core.worker.coroutine_executor.group_loop import GroupLoop
from alsek.core.worker.thread_executor.async_exceptions import raise_in_thread
from alsek.exceptions import EventLoopError, TaskTimeoutError
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually


@pytest.fixture
def group() -> Iterator[GroupLoop]:
    """A loop, which ends with the test."""
    group = GroupLoop()
    yield group
    group.shut_down()


def test_coroutines_of_all_threads_run_on_one_loop(group: GroupLoop) -> None:
    """In the contexts of those threads; what they set there is seen by the thread."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    loops = []

    async def sets(number: int) -> int:
        before = variable.get()
        await asyncio.sleep(0)
        variable.set(number + 1)
        loops.append((asyncio.get_running_loop(), threading.current_thread().name))
        return before

    def run(number: int) -> None:
        variable.set(number)
        assert group.run(sets(number)) == number
        assert variable.get() == number + 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(loops) == 4
    assert {name for _, name in loops} == {"alsek-loop"}
    assert len({loop for loop, _ in loops}) == 1


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), asyncio.CancelledError()], ids=repr)
def test_an_exception_comes_out(group: GroupLoop, error: BaseException) -> None:
    """Whatever it is; the loop goes on."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    for _ in range(2):
        with pytest.raises(type(error)):
            group.run(fails())


def interrupt(thread: threading.Thread) -> None:
    """Interrupt a thread that waits for a coroutine. Earlier, asyncio would take a TimeoutError for one of a socket."""
    ident = thread.ident
    assert ident is not None
    eventually(lambda: sys._current_frames()[ident].f_code is event_loop._Call.run.__code__)
    raise_in_thread(ident, TaskTimeoutError)


def test_a_thread_that_waits_can_be_interrupted(group: GroupLoop) -> None:
    """Its coroutine is cancelled, and may clean up before the thread goes on."""
    begun = threading.Event()
    ended: list[str] = []

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("coroutine")

    def run() -> None:
        try:
            group.run(slow())
        except TaskTimeoutError:
            ended.append("thread")

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(PATIENCE)
    interrupt(thread)
    thread.join(PATIENCE)
    assert ended == ["coroutine", "thread"]


def test_a_second_interruption_leaves_the_coroutine_alone(group: GroupLoop) -> None:
    """One that does not end keeps no thread."""
    begun, go_on = threading.Event(), threading.Event()

    async def deaf() -> None:
        begun.set()
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                begun.set()

    def run() -> None:
        with pytest.raises(TaskTimeoutError):
            group.run(deaf())

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(2):
        assert begun.wait(PATIENCE)
        begun.clear()
        interrupt(thread)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    go_on.set()


def test_what_is_left_is_cancelled_at_the_end() -> None:
    """Tasks in the background, and asynchronous generators; then the loop is closed."""
    group, ended, kept = GroupLoop(), [], []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def leaves() -> None:
        kept.append(asyncio.create_task(background()))
        await asyncio.sleep(0)

    group.run(leaves())
    loop = group.current()
    group.shut_down()
    assert ended == ["task"]
    assert loop.loop.is_closed()
    assert not loop.thread.is_alive()
    group.shut_down()  # again does nothing


def test_what_does_not_end_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for a moment."""
    monkeypatch.setattr(event_loop, "CLOSE_WITHIN_S", 0.02)
    group, go_on = GroupLoop(), threading.Event()

    async def deaf() -> None:
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                pass

    kept = []

    async def leaves() -> None:
        kept.append(asyncio.create_task(deaf()))

    group.run(leaves())
    loop = group.current()
    group.shut_down()
    loop.thread.join(PATIENCE)
    assert not loop.thread.is_alive()
    go_on.set()
    loop.loop.run_until_complete(kept[0])
    loop.loop.close()


def test_a_loop_that_user_code_has_closed(group: GroupLoop) -> None:
    """A clear sentence; and what comes next has another one, once it was given up."""
    loop = group.current()
    loop._closing = True
    loop.call_soon(loop.loop.stop)
    loop.thread.join(PATIENCE)
    loop.loop.close()

    async def nothing() -> int:
        return 1

    with pytest.raises(EventLoopError, match="can't be used any more"):
        group.run(nothing())
    group.give_up(loop)
    assert group.run(nothing()) == 1
    assert group.current().thread.name == "alsek-loop-2"


def test_a_child_that_a_coroutine_forks_leaves_the_loop_alone(group: GroupLoop) -> None:
    """It ends when the coroutine would next wait, with an error; the other coroutines go on in the parent alone."""
    steps, statuses = [], []

    async def beside() -> None:
        while not statuses:
            steps.append(os.getpid())
            await asyncio.sleep(0.001)

    async def forks() -> None:
        child = os.fork()
        if not child:
            os.close(2)  # its traceback
            os.open(os.devnull, os.O_WRONLY)
            await asyncio.sleep(0)
            os._exit(0)  # not reached: it can't wait
        statuses.append(await asyncio.to_thread(os.waitpid, child, 0))

    thread = threading.Thread(target=lambda: group.run(beside()))
    thread.start()
    eventually(lambda: steps)
    group.run(forks())
    thread.join(PATIENCE)
    assert os.waitstatus_to_exitcode(statuses[0][1]) == 1
    assert set(steps) == {os.getpid()}
