"""The attempt of an `async def` task: order, middleware, and what the user's code may raise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from alsek import Broker, Middleware
from alsek.core.current_message import current_message
from alsek.core.event_loops import close_main_loop, run_coroutine
from alsek.core.execution.async_attempts import attempt
from alsek.core.execution.attempts import Attempt
from alsek.core.execution.attempts import attempt as attempt_in_thread
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.message import Message
from alsek.core.task import AnyTask, Task, task
from alsek.exceptions import ValidationError
from alsek.storage.backends.memory import MemoryBackend
from tests.unit.core.fakes import claim, held

said: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing was said, and the loop ends with the test."""
    said.clear()
    yield
    close_main_loop()


class Says(Task[Any, Any]):
    """Says which hooks are called."""

    async def pre_op(self, message: Message) -> None:
        await asyncio.sleep(0)
        said.append("pre_op")

    def post_op(self, message: Message, result: Any) -> None:
        said.append(f"post_op {result}")

    async def do_callback(self, message: Message, result: Any) -> bool:  # type: ignore[override]
        await asyncio.sleep(0)
        said.append("do_callback")
        return result == 5


class Native(Middleware):
    """With an asynchronous context manager."""

    @asynccontextmanager
    async def attempt(self, message: Message) -> AsyncIterator[None]:
        said.append("native in")
        try:
            await asyncio.sleep(0)
            yield
        except BaseException as error:
            said.append(f"native {type(error).__name__}")
            raise
        finally:
            await asyncio.sleep(0)
            said.append("native out")


class Plain(Middleware):
    """With a synchronous one."""

    @contextmanager
    def attempt(self, message: Message) -> Iterator[None]:
        said.append("plain in")
        yield
        said.append("plain out")

    async def submitting(self, message: Message) -> None:
        await asyncio.sleep(0)
        said.append("submitting")


def attempted(made: AnyTask, message: Message | None = None) -> Attempt:
    """Submit, claim, attempt."""
    made.broker.submit(message or made.generate(submit=False))
    said.clear()
    return run_coroutine(attempt(made, held(claim(made.broker))))


def test_hooks_are_awaited_in_their_order(broker: Broker) -> None:
    """Those that are coroutine functions and those that are not."""

    @task(broker, base_task=Says)
    async def five() -> int:
        await asyncio.sleep(0)
        said.append("op")
        return 5

    made = attempted(five, five.generate(callback=five.generate(submit=False), submit=False))
    assert made == Attempt(5, callback=True)
    assert said == ["pre_op", "op", "post_op 5", "do_callback"]


def test_a_callback_may_be_left_out(broker: Broker) -> None:
    """What an awaited `do_callback` returns decides."""

    @task(broker, base_task=Says)
    async def six() -> int:
        return 6

    made = attempted(six, six.generate(callback=six.generate(submit=False), submit=False))
    assert made == Attempt(6, callback=False)


def test_middleware_of_both_kinds_is_entered() -> None:
    """The first is the outermost, and a callback's submission is awaited within all of them."""
    broker = Broker(MemoryBackend(), middleware=[Native(), Plain()])

    @task(broker)
    async def work() -> None:
        assert current_message() is not None
        said.append("op")

    made = attempted(work, work.generate(callback=work.generate(submit=False), submit=False))
    assert made.exception is None
    assert made.prepared is not None
    assert said == ["native in", "plain in", "op", "submitting", "plain out", "native out"]


@pytest.mark.parametrize("error", [ValueError(), SystemExit(), asyncio.CancelledError()], ids=repr)
def test_an_exception_goes_through_middleware(error: BaseException) -> None:
    """It is raised in the context manager, and stands."""
    broker = Broker(MemoryBackend(), middleware=[Native()])

    @task(broker)
    async def fails() -> None:
        raise error

    assert attempted(fails).exception is error
    assert said == ["native in", f"native {type(error).__name__}", "native out"]


def test_middleware_that_swallows_makes_no_success() -> None:
    """As in a thread."""

    class Swallows(Middleware):
        @asynccontextmanager
        async def attempt(self, message: Message) -> AsyncIterator[None]:
            try:
                yield
            except ValueError:
                pass

    broker = Broker(MemoryBackend(), middleware=[Swallows()])

    @task(broker)
    async def fails() -> None:
        raise ValueError("still")

    made = attempted(fails)
    assert isinstance(made.exception, ValueError)


def test_a_plain_task_needs_a_synchronous_context_manager() -> None:
    """A clear sentence fails the attempt."""
    broker = Broker(MemoryBackend(), middleware=[Native()])

    @task(broker)
    def plain() -> None: ...

    plain.generate()
    made = attempt_in_thread(plain, held(claim(broker)))
    assert isinstance(made.exception, ValidationError)
    assert "no `async def`: return a synchronous one" in str(made.exception)


def test_what_is_no_context_manager_fails_the_attempt() -> None:
    """Also that of an `async def` task: a coroutine, say, because a decorator is missing."""

    class Undecorated(Middleware):
        async def attempt(self, message: Message) -> Any: ...  # type: ignore[override]

    broker = Broker(MemoryBackend(), middleware=[Undecorated()])

    @task(broker)
    async def work() -> None: ...

    assert isinstance(attempted(work).exception, ValidationError)


def test_an_operation_that_returns_something_else(broker: Broker) -> None:
    """What can't be awaited is the result."""

    class Odd(Task[Any, Any]):
        def op(self, message: Message) -> Any:
            return 7

    @task(broker, base_task=Odd)
    async def work() -> None: ...

    assert attempted(work).result == 7


def test_a_plain_task_with_such_hooks_in_a_thread(broker: Broker) -> None:
    """They run to their ends around the function."""

    @task(broker, base_task=Says)
    def five() -> int:
        return 5

    five.generate(callback=five.generate(submit=False))
    said.clear()
    assert attempt_in_thread(with_sync_hooks(five), held(claim(broker))) == Attempt(5, callback=True)
    assert said == ["pre_op", "post_op 5", "do_callback"]
