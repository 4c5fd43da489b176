"""The coroutines of one group: on which loop they run, how they end, and what becomes of those that do not."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.current_message import current_message
from alsek.core.event_loops import cancel_and_wait
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.core.worker.coroutine_executor import executor as module
from alsek.core.worker.coroutine_executor import job as jobs
from alsek.core.worker.thread_executor import concluding_job
from alsek.exceptions import EventLoopError, Reject, Retry
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Released, Retried, SetAside, Succeeded
from alsek.storage.result import ResultStore
from tests.unit.workers.coroutine_harness import Coroutines
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

SOON = timedelta(milliseconds=40)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coroutine is abandoned soon."""
    monkeypatch.setattr(module, "ABANDON_AFTER_MS", 60)


@pytest.fixture
def make(broker: Broker) -> Iterator[Callable[..., Coroutines]]:
    """Makes executors, and ends them."""
    made: list[Coroutines] = []

    def one(*tasks: Any, **settings: Any) -> Coroutines:
        made.append(Coroutines(broker, *tasks, **settings))
        return made[-1]

    yield one
    for each in made:
        each.close()


def test_coroutines_run_at_once_on_one_loop(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """A hundred that wait for one another all end: they run side by side, in one thread."""
    met: list[threading.Thread] = []

    @task(broker)
    async def meets() -> None:
        met.append(threading.current_thread())
        while len(met) < 100:  # noqa: ASYNC110  an event would have to be made on the loop
            await asyncio.sleep(0)

    group = make(meets)
    outcomes = group.run(*(meets.generate(submit=False) for _ in range(100)))
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert {thread.name for thread in met} == {"alsek-loop"}
    assert all(entry.past_user_code for entry in group.state.claims())


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), Retry()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_coroutine_raises_is_an_outcome(
    broker: Broker, make: Callable[..., Coroutines], error: BaseException
) -> None:
    """An exception of any kind ends the task, not the loop: the message is retried."""

    @task(broker)
    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    @task(broker)
    async def fine() -> None: ...

    group = make(fails, fine)
    outcomes = group.run(fails.generate(submit=False), fine.generate(submit=False))
    assert [type(outcome) for outcome in outcomes] == [Retried, Succeeded]


def test_a_coroutine_past_its_deadline_is_cancelled(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """It may clean up, and has failed whatever it returns; nothing is abandoned."""
    cleaned = []

    @task(broker, timeout=SOON, max_retries=0)
    async def slow() -> str:
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.append(True)
        return "too late"

    group = make(slow)
    (outcome,) = group.run(slow.generate(submit=False))
    assert isinstance(outcome, Failed)
    assert b"TaskTimeoutError" in outcome.error
    assert cleaned
    assert group.state.abandoned == 0


@pytest.mark.usefixtures("quick")
def test_one_that_swallows_its_cancellation_is_abandoned(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """Its message is concluded without it, its slot is free, and it is counted until it ends, which changes nothing."""
    go_on = threading.Event()

    @task(broker, timeout=SOON, max_retries=0)
    async def deaf() -> None:
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                pass

    group = make(deaf, slots=1)
    (outcome,) = group.run(deaf.generate(submit=False))
    assert isinstance(outcome, Failed)
    assert b"TaskTimeoutError" in outcome.error
    assert group.executor.free_slots == 1
    assert group.executor.exhausted
    assert group.state.abandoned == 1
    (entry,) = group.state.claims()
    assert entry.in_user_code
    assert not entry.running
    go_on.set()
    group.until(lambda: group.state.abandoned == 0)
    assert not group.executor.exhausted
    assert group.executor.collect() == []
    assert group.state.claims()[0].past_user_code


def test_a_revoked_coroutine_is_cancelled(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """Its message has ended as revoked, whatever it makes of the cancellation."""
    begun = threading.Event()

    @task(broker)
    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            raise ValueError from None

    group = make(slow)
    message = slow.generate(submit=False)
    (job,) = group.start(message)
    assert begun.wait(PATIENCE)
    group.executor.revoke(message.uuid)
    group.collect(1)
    assert isinstance(job.outcome, Failed)
    assert b"MessageRevokedError" in job.outcome.error


@pytest.mark.usefixtures("quick")
def test_one_that_swallows_its_revocation_is_abandoned(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """It is concluded as revoked."""
    begun, go_on = threading.Event(), threading.Event()

    @task(broker)
    async def deaf() -> None:
        begun.set()
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                pass

    group = make(deaf)
    message = deaf.generate(submit=False)
    (job,) = group.start(message)
    assert begun.wait(PATIENCE)
    group.executor.revoke(message.uuid)
    group.collect(1)
    assert isinstance(job.outcome, Failed)
    assert b"MessageRevokedError" in job.outcome.error
    assert group.state.abandoned == 1
    go_on.set()
    group.until(lambda: group.state.abandoned == 0)


def test_scopes_of_asyncio_work_inside(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """Timeouts, groups of tasks and cancelled inner tasks are the coroutine's own business."""

    @task(broker)
    async def scopes() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(PATIENCE)
        async with asyncio.TaskGroup() as inner:
            done = inner.create_task(asyncio.sleep(0, 7))
        assert done.result() == 7
        with pytest.raises(ExceptionGroup):  # noqa: PT012
            async with asyncio.TaskGroup() as inner:
                inner.create_task(asyncio.sleep(PATIENCE))
                raise ValueError
        me = asyncio.current_task()
        assert me is not None
        assert me.cancelling() == 0

    (outcome,) = make(scopes).run(scopes.generate(submit=False))
    assert isinstance(outcome, Succeeded)


def test_each_has_a_context_of_its_own(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """The current message is its own, and nothing that one sets is seen by the next."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    seen: list[bool] = []

    class Looks(Task[Any, Any]):
        def on_success(self, message: Message, result: Any) -> None:
            seen.append(variable.get() == message.uuid and current_message() is message)

    @task(broker, base_task=Looks)
    async def sets(message: Message) -> None:
        assert variable.get() == ""
        variable.set(message.uuid)
        await asyncio.sleep(0)
        assert variable.get() == message.uuid
        assert current_message() is message

    group = make(sets)
    for _ in range(2):
        outcomes = group.run(*(sets.generate(submit=False) for _ in range(5)))
        assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    assert seen == [True] * 10


def test_hooks_may_be_coroutines(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """All of them are awaited on the loop of the task, in their order."""
    called: list[tuple[str, asyncio.AbstractEventLoop]] = []

    class Hooked(Task[Any, Any]):
        async def pre_op(self, message: Message) -> None:
            await self._note("pre_op")

        async def post_op(self, message: Message, result: Any) -> None:
            await self._note("post_op")

        async def on_success(self, message: Message, result: Any) -> None:
            await self._note("on_success")

        async def on_retry(self, message: Message, exception: BaseException) -> None:
            await self._note("on_retry")

        async def on_failure(self, message: Message, exception: BaseException) -> None:
            await self._note("on_failure")

        async def _note(self, what: str) -> None:
            await asyncio.sleep(0)
            called.append((what, asyncio.get_running_loop()))

    @task(broker, base_task=Hooked)
    async def work(error: str = "") -> None:
        called.append(("op", asyncio.get_running_loop()))
        if error:
            raise {"retry": Retry, "reject": Reject}[error]

    group = make(work)
    for args in ((), ("retry",), ("reject",)):
        group.run(work.generate(args=args, submit=False))
    names = [what for what, _ in called]
    assert names == [
        *("pre_op", "op", "post_op", "on_success"),
        *("pre_op", "op", "on_retry", "pre_op", "op", "on_failure"),
    ]
    assert len({loop for _, loop in called}) == 1


def test_hooks_of_its_conclusion_do_not_block_the_loop(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """They run in threads: what blocks there holds up no coroutine."""
    go_on = threading.Event()

    class Blocks(Task[Any, Any]):
        def on_success(self, message: Message, result: Any) -> None:
            assert go_on.wait(PATIENCE)

    @task(broker, base_task=Blocks)
    async def first() -> None: ...

    @task(broker)
    async def second() -> None:
        go_on.set()

    outcomes = make(first, second).run(first.generate(submit=False), second.generate(submit=False))
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)


def test_a_tracker_and_a_store_elsewhere_are_told_in_threads(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """Running before the task, its result after it, success once the store has accepted that."""
    told: list[tuple[Any, bool]] = []

    def note(what: Any) -> None:
        told.append((what, threading.current_thread().name.startswith("alsek-hooks")))

    class Tells(StatusTracker):
        def set(self, message: Any, status: TaskStatus, details: Any = None) -> None:
            note(status)

    class Keeps(ResultStore):
        def set(self, message: Any, result: Any) -> None:
            note(result)

    @task(broker, result_store=Keeps(MemoryBackend()), status_tracker=Tells(MemoryBackend()))
    async def work() -> int:
        note("runs")
        return 5

    group = make(work)
    (job,) = group.start(work.generate(submit=False))
    group.collect(1)
    assert job.verdict_wanted
    group.executor.on_outcome(job, True)
    eventually(lambda: len(told) == 4)
    assert told == [(TaskStatus.RUNNING, True), ("runs", False), (5, True), (TaskStatus.SUCCEEDED, True)]
    eventually(lambda: group.state.claims()[0].past_user_code)


def test_user_code_that_cancels_all_that_it_finds(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """What runs has failed, what has not begun begins all the same, and no message is lost."""

    @task(broker, max_retries=0)
    async def cancels() -> None:
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()

    @task(broker)
    async def fine() -> None:
        await asyncio.sleep(0)

    group = make(cancels, fine)
    outcomes = group.run(cancels.generate(submit=False), *(fine.generate(submit=False) for _ in range(20)))
    assert all(isinstance(outcome, Succeeded | Retried) for outcome in outcomes)


def test_a_message_of_an_unknown_task_is_set_aside(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """As in any other executor."""

    @task(broker)
    async def known() -> None: ...

    (outcome,) = make(known).run(Message("unknown"))
    assert isinstance(outcome, SetAside)


def test_a_message_of_another_kind_of_task_is_none_of_its(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """It is collected without an outcome, and no code of the user's runs for it."""

    @task(broker)
    async def mine() -> None: ...

    @task(broker)
    def plain() -> None: ...

    group = make(mine, plain)
    assert group.run(plain.generate(submit=False)) == [None]
    assert group.state.claims()[0].past_user_code


def test_the_loop_goes_on_whatever_is_done_to_it(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """It is stopped, is given a handler that raises, and tasks are left behind that would end a program."""

    async def exits() -> None:
        await asyncio.sleep(0)
        raise SystemExit(1)

    kept = []

    @task(broker)
    async def hostile() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: 1 / 0)
        kept.append(loop.create_task(exits()))
        loop.call_soon(lambda: 1 / 0)
        loop.stop()
        await asyncio.sleep(0)

    group = make(hostile)
    for _ in range(3):
        assert isinstance(group.run(hostile.generate(submit=False))[0], Succeeded)
    eventually(lambda: all(each.done() for each in kept))
    assert [type(each.exception()) for each in kept] == [SystemExit] * 3


def test_what_runs_is_told(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """For the store to show: the message, and the loop's thread."""
    go_on = threading.Event()

    @task(broker)
    async def slow() -> None:
        while not go_on.is_set():  # noqa: ASYNC110  it is set by another thread
            await asyncio.sleep(0.001)

    group = make(slow)
    message = slow.generate(submit=False)
    group.start(message)
    eventually(group.executor.running)
    (told,) = group.executor.running()
    assert (told.uuid, told.thread) == (message.uuid, "alsek-loop")
    go_on.set()
    group.collect(1)


def test_one_that_blocks_past_its_deadline_ends_the_process_in_time(
    broker: Broker, make: Callable[..., Coroutines]
) -> None:
    """It is concluded as timed out; what has not begun goes back; what runs beside goes on when it can."""
    go_on, both = threading.Event(), threading.Barrier(2)

    @task(broker)
    async def beside() -> None:
        await asyncio.sleep(0.05)

    @task(broker, timeout=SOON, max_retries=0)
    async def blocks() -> None:
        await asyncio.to_thread(both.wait)
        go_on.wait(PATIENCE)

    group = make(blocks, beside)
    running, blocking = group.start(beside.generate(submit=False), blocks.generate(submit=False))
    both.wait(PATIENCE)
    time.sleep(0.01)
    (waiting,) = group.start(beside.generate(submit=False))
    finished = group.collect(2)
    assert {job.claimed.uuid for job in finished} == {blocking.claimed.uuid, waiting.claimed.uuid}
    assert isinstance(blocking.outcome, Failed)
    assert isinstance(waiting.outcome, Released)
    assert group.executor.exhausted
    go_on.set()
    group.collect(1)
    assert isinstance(running.outcome, Succeeded)


def test_one_that_blocks_the_loop_is_named(
    broker: Broker, make: Callable[..., Coroutines], caplog: pytest.LogCaptureFixture
) -> None:
    """With the line that it is at, while it does so; also an inner task of it."""
    go_on = threading.Event()

    @task(broker)
    async def blocks(inner: bool) -> None:
        async def block() -> None:
            go_on.wait(PATIENCE)  # this very line

        await (asyncio.create_task(block()) if inner else block())

    group = make(blocks)
    for inner in (False, True):
        go_on.clear()
        caplog.clear()
        message = blocks.generate(args=(inner,), submit=False)
        group.start(message)
        eventually(lambda: "blocks the event loop" in caplog.text)
        assert message.uuid in caplog.text
        assert "go_on.wait(PATIENCE)  # this very line" in caplog.text
        go_on.set()
        group.collect(1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code beside the task has little time."""
    for each in (jobs, concluding_job):
        monkeypatch.setattr(each, "CONCLUDE_WITHIN_MS", 50)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hook", ["on_success", "on_failure"])
def test_a_hook_that_does_not_end_is_left_behind(
    broker: Broker, make: Callable[..., Coroutines], hook: str
) -> None:
    """The message is concluded without it, and its thread is counted until it ends."""
    go_on = threading.Event()

    class Hangs(Task[Any, Any]): ...

    setattr(Hangs, hook, lambda *_: go_on.wait(PATIENCE))

    @task(broker, base_task=Hangs, max_retries=0)
    async def work() -> None:
        if hook == "on_failure":
            raise ValueError

    group = make(work)
    (job,) = group.start(work.generate(submit=False))
    group.collect(1)
    assert isinstance(job.outcome, Succeeded if hook == "on_success" else Failed)
    assert group.state.abandoned == 1
    assert group.state.claims()[0].in_user_code
    go_on.set()
    group.until(lambda: group.state.abandoned == 0)
    assert group.state.claims()[0].past_user_code
    assert group.executor.collect() == []


@pytest.mark.usefixtures("impatient")
def test_a_tracker_that_does_not_end_is_left_behind(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """Before the task, and after the store has accepted its outcome: then nothing is told."""
    go_on, told = threading.Event(), []

    class Hangs(StatusTracker):
        def set(self, message: Any, status: TaskStatus, details: Any = None) -> None:
            told.append(status)
            if status is hangs_at:
                go_on.wait(PATIENCE)

    @task(broker, status_tracker=Hangs(MemoryBackend()), max_retries=0)
    async def work() -> None: ...

    group = make(work)
    for hangs_at in (TaskStatus.RUNNING, TaskStatus.SUCCEEDED):
        go_on.clear()
        (job,) = group.start(work.generate(submit=False))
        group.collect(1)
        assert isinstance(job.outcome, Failed if hangs_at is TaskStatus.RUNNING else Succeeded)
        group.executor.on_outcome(job, hangs_at is TaskStatus.SUCCEEDED)
        group.until(lambda: group.state.abandoned == 1)
        go_on.set()
        group.until(lambda: group.state.abandoned == 0)
        group.state.remove_claim(job.entry)
    assert told == [TaskStatus.RUNNING, TaskStatus.RUNNING, TaskStatus.SUCCEEDED]


def test_a_loop_that_stands_still_for_long_is_given_up(
    broker: Broker, make: Callable[..., Coroutines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever blocks it, also before it has a deadline: what has not begun goes back, the process is replaced."""
    monkeypatch.setattr(module, "GIVE_UP_AFTER_MS", 300)
    go_on = threading.Event()

    @task(broker)
    async def work() -> None: ...

    group = make(work)
    group.loop.current().call_soon(lambda: go_on.wait(PATIENCE))
    started = group.start(*(work.generate(submit=False) for _ in range(3)))
    group.collect(3)
    assert {type(job.outcome) for job in started} == {Released}
    assert group.executor.exhausted
    (late,) = group.start(work.generate(submit=False))
    group.collect(1)
    assert isinstance(late.outcome, Released)
    go_on.set()


def test_a_serializer_that_does_not_end_holds_up_its_message_alone(
    broker: Broker, make: Callable[..., Coroutines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It blocks the loop: the message ends without being opened, the loop is given up."""
    monkeypatch.setattr(module, "GIVE_UP_AFTER_MS", 300)
    go_on = threading.Event()

    @task(broker)
    async def work() -> None: ...

    def hangs(*_: Any) -> Any:
        go_on.wait(PATIENCE)
        raise ValueError

    group = make(work)
    message = work.generate(submit=False)
    monkeypatch.setattr(jobs, "open_claimed", hangs)
    (job,) = group.start(message)
    group.collect(1)
    assert isinstance(job.outcome, Failed)
    assert group.executor.exhausted
    go_on.set()


def test_a_loop_that_is_closed_is_given_up(broker: Broker, make: Callable[..., Coroutines]) -> None:
    """Nothing that was claimed is lost: it goes back."""

    @task(broker)
    async def work() -> None: ...

    group = make(work)
    loop = group.loop.current()
    loop._closing = True
    loop.call_soon(loop.loop.stop)
    loop.thread.join(PATIENCE)
    loop.loop.close()
    (job,) = group.start(work.generate(submit=False))
    group.collect(1)
    assert isinstance(job.outcome, Released)
    assert group.executor.exhausted


def test_a_loop_that_user_code_has_broken_is_given_up_once(
    broker: Broker, make: Callable[..., Coroutines], caplog: pytest.LogCaptureFixture
) -> None:
    """It does not fail again and again; the coroutines on it, which can't go on, fail now, not at their deadlines."""

    def fails(_: Any) -> None:
        raise ValueError("closed")

    @task(broker)
    async def breaks() -> None:
        await asyncio.sleep(0)
        loop._selector.select = fails
        await asyncio.Event().wait()

    group = make(breaks)
    thread = group.loop.current().thread
    loop: Any = group.loop.current().loop
    (job,) = group.start(breaks.generate(submit=False))
    group.collect(1)
    assert isinstance(job.outcome, Retried)
    assert job.attempt is not None
    assert isinstance(job.attempt.exception, EventLoopError)
    assert group.executor.exhausted
    # Once in the loop's thread, and once when it is given up.
    assert caplog.text.count("The event loop fails: ValueError") == 2
    thread.join(PATIENCE)
    del loop._selector.select
    cancel_and_wait(loop, asyncio.all_tasks(loop))
    loop.close()


def test_few_looks_for_many_deadlines(
    broker: Broker, make: Callable[..., Coroutines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine looks at all that runs only when a deadline passes, not at each turn."""
    go_on = threading.Event()

    @task(broker)
    async def waits() -> None:
        while not go_on.is_set():  # noqa: ASYNC110  it is set by another thread
            await asyncio.sleep(0.001)

    group = make(waits)
    started = group.start(*(waits.generate(submit=False) for _ in range(50)))
    eventually(lambda: all(job.deadline for job in started))
    looked = []
    with monkeypatch.context() as patch:
        patch.setattr(group.executor, "_interrupt_overdue", looked.append)
        for _ in range(10):
            group.turn()
        assert looked == []
        earliest = min(job.deadline for job in started)
        assert group.executor.next_deadline() == earliest
        patch.setattr(module, "monotonic_ms", lambda: earliest)
        group.turn()
        assert looked == [earliest]
    go_on.set()
    group.collect(50)
