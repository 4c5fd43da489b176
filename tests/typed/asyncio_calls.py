"""Calls of coroutines that type checkers accept, and such that they must report. As in calls.py."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedVariable=false

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import aclosing
from decimal import Decimal
from typing import Any, TypeAlias, assert_type

from alsek.core.broker import Broker
from alsek.core.concurrency import Lock
from alsek.core.message import Message
from alsek.core.status import StatusTracker, StatusUpdate, TaskStatus
from alsek.core.submission.calls import Generated
from alsek.core.task import Task, task
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore
from alsek.tools.result_pool import ResultPool

backend = MemoryBackend()
broker = Broker(backend)
result_store = ResultStore(backend)
tracker = StatusTracker(backend)


@task(broker, result_store=result_store)
def invoice(number: int, copies: int = 1) -> Decimal:
    """A task of a plain function."""
    return Decimal(number) * copies


@task(broker, result_store=result_store)
async def fetch(url: str, *, times: float = 1.0) -> list[str]:
    """A task of a coroutine function."""
    return [url] * int(times)


#: Tasks that are not made by ``@task``, or that are handed over: what they result in is what their coroutine returns.
Fetch: TypeAlias = Task[[str], Coroutine[Any, Any, list[str]]]
made = Task(fetch.function, broker, result_store=result_store)


async def pages(url: str) -> list[str]:
    """A coroutine function without a task."""
    return [url]


async def handed_over(given: Fetch, any_task: Task) -> None:
    """The result of a task by its annotation."""
    assert_type(given.result("uuid"), list[str])
    assert_type(await given.aresult("uuid"), list[str])
    assert_type(made.result("uuid"), list[str])
    assert_type(await made.aresult("uuid"), list[str])
    assert_type(Task(pages, broker).result("uuid"), list[str])
    assert_type(await Task(pages, broker).aresult("uuid"), list[str])
    assert_type(Task(invoice.function, broker).result("uuid"), Decimal)
    assert_type(any_task.result("uuid"), Any)
    assert_type(given.result("uuid"), str)  # type: ignore[assert-type]  # it is a list
    assert_type(await made.aresult("uuid"), str)  # type: ignore[assert-type]
    await handed_over(invoice, invoice)  # type: ignore[arg-type]  # it is no coroutine function


async def right() -> None:
    """What is accepted, and what it is."""
    message = await invoice.asend(7, copies=2)
    assert_type(message, Message)
    assert_type(await invoice.using(delay=5_000).asend(7), Message)
    assert_type(await invoice.aresult(message, timeout=5_000), Decimal)
    assert_type(await fetch.aresult(await fetch.asend("x", times=2.0)), list[str])
    assert_type(fetch.result(message), list[str])
    assert_type(await fetch("x"), list[str])
    assert_type(await fetch.agenerate(["x"], {"times": 2.0}, 1), Message)
    assert_type(await fetch.agenerate_many(("x",) for _ in range(3)), Generated)
    assert_type(await fetch.arevoke(message), bool)
    assert_type(await result_store.aexists(message), bool)
    assert_type(await tracker.aget("uuid"), TaskStatus)
    assert_type(await tracker.await_for(message, timeout=5_000), TaskStatus)
    assert_type(await broker.asubmit_many([message]), list[Message])
    async with aclosing(tracker.alisten(message)), aclosing(broker.adead_letters("queue")):
        pass
    async for update in tracker.alisten(message):
        assert_type(update, StatusUpdate)
    async for dead in broker.adead_letters("q"):
        assert_type(dead, Message)
    async for uuid, _result in ResultPool(result_store).aistream("a", "b"):
        assert_type(uuid, str)
    for given, _result in ResultPool(result_store).istream(message):
        assert_type(given, Message)
    async with Lock("report", backend=backend) as lock:
        assert_type(await lock.aacquire(wait=1_000), bool)
        assert_type(await lock.aholder(), str | None)


async def wrong() -> None:
    """What is reported."""
    await invoice.asend()  # type: ignore[call-arg]  # an argument is missing
    await invoice.asend("7")  # type: ignore[arg-type]  # an argument of another type
    await fetch.asend("x", 2.0)  # type: ignore[call-arg]  # by position what goes by name
    await invoice.using(delay=1_000).asend("7")  # type: ignore[arg-type]
    assert_type(await invoice.aresult("uuid"), str)  # type: ignore[assert-type]  # it is a Decimal
    assert_type(fetch.result("uuid"), Coroutine[Any, Any, list[str]])  # type: ignore[assert-type]  # it is a list
    later: Message = invoice.asend(7)  # type: ignore[assignment]  # it is not awaited
    broker.asubmit(later)  # type: ignore[unused-coroutine]


def task_of_a_coroutine(function: Coroutine[Any, Any, int]) -> None:
    """A coroutine is no function."""
    task(broker)(function)  # type: ignore[call-overload]
