"""Tasks whose hooks are coroutine functions, in synchronous code."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.event_loops import close_main_loop
from alsek.core.execution.sync_hooks import needs_loop, with_sync_hooks
from alsek.core.message import Message
from alsek.core.task import Task, task


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """The loop of the main thread ends with the test."""
    yield
    close_main_loop()


class Counting(Task[Any, Any]):
    """Counts in one of its hooks what another has done."""

    count = 0

    async def pre_op(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.count += 1

    def post_op(self, message: Message, result: Any) -> None:
        self.count += 10

    async def on_success(self, message: Message, result: Any) -> None:
        raise ValueError(self.count)


def test_a_task_without_such_hooks_is_left_alone(broker: Broker) -> None:
    """It is the same object: it costs nothing."""

    @task(broker)
    def plain() -> None: ...

    assert with_sync_hooks(plain) is plain
    assert not needs_loop(plain)


def test_hooks_run_to_their_end(broker: Broker) -> None:
    """What they set on `self` is set on the task, and what they raise comes out; its own hooks are left alone."""

    @task(broker, base_task=Counting)
    def plain() -> int:
        return 3

    message = plain.generate(submit=False)
    copied = with_sync_hooks(plain)
    assert needs_loop(plain)
    assert isinstance(copied, Counting)
    assert copied.op(message) == 3
    assert copied.pre_op(message) is None
    copied.post_op(message, 3)
    with pytest.raises(ValueError, match=r"^11$"):
        copied.on_success(message, 3)
    assert plain.count == 11
    assert asyncio.iscoroutinefunction(plain.pre_op)


def test_hooks_that_were_set_on_the_task(broker: Broker) -> None:
    """Also those behind `functools.partial`."""

    @task(broker)
    def plain() -> None: ...

    async def hook(what: str, message: Message) -> str:
        return what

    plain.pre_op = functools.partial(hook, "told")  # type: ignore[method-assign]
    assert with_sync_hooks(plain).pre_op(Message("m")) == "told"  # type: ignore[comparison-overlap]


def test_an_operation_that_is_overridden_by_a_coroutine(broker: Broker) -> None:
    """It runs to its end, and may await that of its base."""

    class Doubles(Task[Any, Any]):
        async def op(self, message: Message) -> Any:
            result: Any = super().op(message)
            return 2 * await result

    @task(broker, base_task=Doubles)
    async def number() -> int:
        return 4

    assert number.is_async
    assert with_sync_hooks(number).op(number.generate(submit=False)) == 8


def test_a_plain_operation_decides_for_a_coroutine_function(broker: Broker) -> None:
    """Who overrides it gets the result from its base, as ever: such a task runs in a thread."""

    class Doubles(Task[Any, Any]):
        def op(self, message: Message) -> Any:
            return 2 * super().op(message)

    @task(broker, base_task=Doubles)
    async def number() -> int:
        return 4

    assert not number.is_async
    assert number.op(number.generate(submit=False)) == 8
