"""Coroutines that synchronous code runs to their ends: on which loop, in which context, and how that may end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core import event_loops
from alsek.core.event_loops import (
    awaited,
    close_main_loop,
    finish,
    run_coroutine,
    run_or_return,
    use_shared_loop,
)
from alsek.exceptions import EventLoopError


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The loop of the main thread ends with the test."""
    yield
    use_shared_loop(None)
    close_main_loop()


async def loop_here() -> asyncio.AbstractEventLoop:
    """The loop that runs this."""
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


def test_coroutines_of_the_main_thread_share_a_loop() -> None:
    """What one has made on its loop, the next can use."""
    first = run_coroutine(loop_here())
    assert run_coroutine(loop_here()) is first
    assert not first.is_closed()
    close_main_loop()
    assert first.is_closed()
    assert run_coroutine(loop_here()) is not first


def test_another_thread_has_a_loop_of_its_own() -> None:
    """It is closed with the call: no thread leaves one behind."""
    mine, theirs = run_coroutine(loop_here()), []
    thread = threading.Thread(target=lambda: theirs.append(run_coroutine(loop_here())))
    thread.start()
    thread.join()
    (other,) = theirs
    assert other is not mine
    assert other.is_closed()


def test_a_shared_loop_is_used_by_all_threads() -> None:
    """That of a worker group, for example."""

    class Shared:
        def run(self, coroutine: Any) -> Any:
            coroutine.close()
            return "shared"

    use_shared_loop(Shared())
    assert run_coroutine(loop_here()) == "shared"  # type: ignore[comparison-overlap]
    use_shared_loop(None)
    assert isinstance(run_coroutine(loop_here()), asyncio.AbstractEventLoop)


def test_it_is_refused_where_a_loop_runs() -> None:
    """The loop would stand still: a clear sentence, and no coroutine that was never awaited."""

    async def calls() -> None:
        with pytest.raises(EventLoopError, match=r"loop_here is a coroutine, .*asyncio.to_thread"):
            run_coroutine(loop_here())
        coroutine = run_or_return(loop_here())
        assert asyncio.iscoroutine(coroutine)
        assert await coroutine is asyncio.get_running_loop()

        with pytest.raises(EventLoopError, match=r"^loop_here is a coroutine"):
            finish(loop_here())

    run_coroutine(calls())
    assert isinstance(run_or_return(loop_here()), asyncio.AbstractEventLoop)


def test_anything_that_can_be_awaited() -> None:
    """Not only coroutines."""

    class Odd:
        def __await__(self) -> Iterator[Any]:
            yield from asyncio.sleep(0).__await__()
            return 5

    assert run_coroutine(awaited(Odd())) == 5


def test_context_variables_go_in_and_come_back() -> None:
    """It runs in the caller's context: what it sets is set there."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(1)

    async def sets() -> int:
        seen = variable.get()
        await asyncio.sleep(0)
        variable.set(2)
        return seen

    assert run_coroutine(sets()) == 1
    assert variable.get() == 2


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1), asyncio.CancelledError()], ids=repr)
def test_an_exception_comes_out(error: BaseException) -> None:
    """Whatever it is; and the loop can be used again."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(type(error)):
        run_coroutine(fails())
    run_coroutine(loop_here())


def test_one_that_stops_its_loop_goes_on() -> None:
    """It runs to its end, and only then does the next one run."""
    steps = []

    async def stops() -> str:
        for step in range(10):
            asyncio.get_running_loop().stop()
            steps.append(step)
            await asyncio.sleep(0)
        return "ended"

    assert run_coroutine(stops()) == "ended"
    run_coroutine(loop_here())
    assert len(steps) == 10


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_callback_that_ends_programs_cancels_it(kind: type[BaseException]) -> None:
    """As an interruption of the program does; or it goes on, if that is asked for."""
    ends: list[str] = []

    def exits() -> None:
        raise kind

    async def waits() -> str:
        asyncio.get_running_loop().call_soon(exits)
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return "ended"

    with pytest.raises(kind):
        run_coroutine(waits())
    assert ends == ["cancelled"]
    raised: list[BaseException] = []
    assert run_coroutine(waits(), raised.append) == "ended"
    assert [type(error) for error in raised] == [kind]


def test_what_is_left_on_a_loop_is_cancelled_with_it() -> None:
    """Tasks in the background, and asynchronous generators."""
    ended = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def generator() -> Any:
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    kept = []

    async def leaves() -> None:
        kept.append(asyncio.create_task(background()))
        items = generator()
        kept.append(items)
        await anext(items)
        await asyncio.sleep(0)

    run_coroutine(leaves())
    close_main_loop()
    assert sorted(ended) == ["generator", "task"]


def test_one_that_does_not_end_with_its_loop_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for a moment."""
    monkeypatch.setattr(event_loops, "CLOSE_WITHIN_S", 0.01)
    ends = []

    async def deaf() -> None:
        while not ends:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                pass

    kept = []

    async def leaves() -> None:
        kept.append(asyncio.create_task(deaf()))

    run_coroutine(leaves())
    loop = kept[0].get_loop()
    close_main_loop()
    assert not loop.is_closed()
    ends.append(True)
    loop.run_until_complete(kept[0])
    loop.close()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_callback_that_ends_programs_does_not_keep_a_loop_from_being_closed(
    kind: type[BaseException],
) -> None:
    """It comes while the loop waits for what is left on it."""

    def raises() -> None:
        raise kind

    kept: list[Any] = []

    async def generator() -> Any:
        try:
            yield 1
        finally:
            asyncio.get_running_loop().call_soon(raises)
            await asyncio.sleep(0.01)
            kept.append("ended")

    async def leaves() -> asyncio.AbstractEventLoop:
        kept.append(generator())
        await anext(kept[0])
        return asyncio.get_running_loop()

    loop = run_coroutine(leaves())
    close_main_loop()
    assert kept[1:] == ["ended"]
    assert loop.is_closed()


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """It neither uses its parent's nor closes it: what the kernel keeps for that is shared."""
    mine = run_coroutine(loop_here())
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if run_coroutine(loop_here()) is not mine and not mine.is_closed() else 2
            close_main_loop()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run_coroutine(loop_here()) is mine


def test_no_loop_is_left_open_at_the_end_of_a_program() -> None:
    """It ends without a warning."""
    program = (
        "from alsek.core.event_loops import run_coroutine\n"
        "import sys; assert 'asyncio' not in sys.modules\n"
        "async def nothing(): pass\n"
        "run_coroutine(nothing())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
