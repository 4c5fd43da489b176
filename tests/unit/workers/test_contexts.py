"""Context variables: what one message has set, no other sees."""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Iterator
from typing import Any

import pytest

from alsek import Task, task
from alsek.core.broker import Broker
from alsek.core.hooks import on_worker_start
from alsek.core.message import Message
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Succeeded
from alsek.storage.result import ResultStore
from tests.unit.workers.fakes import Shift
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness
from tests.waiting import eventually

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    """What a test sets here is undone."""
    token = VARIABLE.set("unset")
    yield
    VARIABLE.reset(token)


def test_each_begins_as_the_start_hooks_left_it() -> None:
    """A copy: what is set in one is not seen in the next, nor here."""
    VARIABLE.set("by a start hook")
    contexts = Contexts()
    for _ in range(2):
        context = contexts.fresh()
        assert context.run(VARIABLE.get) == "by a start hook"
        context.run(VARIABLE.set, "by a task")
    assert VARIABLE.get() == "by a start hook"


@pytest.mark.parametrize("used", [False, True])
def test_the_context_of_decimal_is_no_ones_but_its_messages(used: bool) -> None:
    """It is changed in place: also one that was used before, at import or by a start hook, is not shared."""

    def change() -> None:
        decimal.getcontext().prec = 5

    def look() -> None:
        if used:
            decimal.getcontext().prec = 11
        contexts = Contexts()
        contexts.fresh().run(change)
        expected = 11 if used else decimal.DefaultContext.prec
        assert contexts.fresh().run(lambda: decimal.getcontext().prec) == expected

    contextvars.Context().run(look)


class Shares(Task[Any, Any]):
    """Its hooks see what the function and each other have set."""

    def pre_op(self, message: Message) -> None:
        assert VARIABLE.get() == "unset", VARIABLE.get()
        VARIABLE.set("pre_op")

    def op(self, message: Message) -> Any:
        seen = VARIABLE.get()
        VARIABLE.set(seen + " function")
        return super().op(message)

    def post_op(self, message: Message, result: Any) -> None:
        VARIABLE.set(VARIABLE.get() + " post_op")

    def do_callback(self, message: Message, result: Any) -> bool:
        return VARIABLE.get() == "pre_op function post_op"


def _work(broker: Broker) -> Any:
    return task(broker, max_retries=0, base_task=Shares, result_store=ResultStore(broker.backend))(lambda: 1)


def _followed(outcome: Any) -> bool:
    assert isinstance(outcome, Succeeded), outcome
    return outcome.callback is not None


def test_messages_in_one_thread_share_nothing(shift: Shift) -> None:
    """Each of three in a row, in the same thread, finds what no other has set; its own hooks share one context."""
    work = _work(shift.broker)
    executor = ThreadExecutor({work.name: work}, shift.broker, shift.state, 1, 5)
    for _ in range(3):
        job = shift.job(work.generate(callback=work.generate(submit=False), submit=False))
        executor.start(job)
        eventually(lambda: job in executor.collect())  # noqa: B023
        assert _followed(job.outcome)
    executor.shut_down()


def test_messages_in_one_process_share_nothing(broker: Broker) -> None:
    """Each of three in a row, in the same process, finds what no other has set."""
    work = _work(broker)
    harness = ProcessExecutorHarness(broker, work, size=1, tasks_per_process=3)
    try:
        for _ in range(3):
            assert _followed(harness.run(work, callback=work.generate(submit=False)).outcome)
    finally:
        harness.close()


def test_tasks_see_what_a_start_hook_has_set() -> None:
    """In the process that it ran in."""
    broker = Broker(MemoryBackend())

    @on_worker_start
    def begin() -> None:
        VARIABLE.set("begun")

    @task(broker, result_store=ResultStore(broker.backend))
    def look() -> str:
        return VARIABLE.get()

    harness = ProcessExecutorHarness(broker, look, size=1, hooks=(begin,))
    try:
        outcome = harness.run(look).outcome
        assert isinstance(outcome, Succeeded)
        assert outcome.result == b'"begun"'
    finally:
        harness.close()
