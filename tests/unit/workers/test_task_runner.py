"""A task process: what it does with each kind of job, and what it answers."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from alsek import Middleware, ResultStore, StatusTracker, Task, task
from alsek.core.broker import Broker
from alsek.core.current_message import current_message
from alsek.core.hooks import on_worker_start, on_worker_stop
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.child_process import EXIT_NOT_STARTED
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.frames import FrameReader, pack, receive
from alsek.core.worker.process_executor.outcome_codec import outcome_from_wire
from alsek.core.worker.process_executor.task_runner import READY, REPORTED, TaskRunner
from alsek.core.worker.process_executor.warm_up import warm_up
from alsek.core.worker.shared_state import SharedState
from alsek.exceptions import MessageRevokedError, TaskError, TaskTimeoutError, WorkerLostError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed, Failed, Outcome, Retried, SetAside, Succeeded, Worker
from tests.unit.workers.fakes import PATIENCE, options_for


class FakeEngine:
    """The engine's end of a connection to a task runner, which runs in a thread of the test's process."""

    def __init__(self, broker: Broker, *tasks: AnyTask, max_tasks: int = 1, **options: Any) -> None:
        self._state = SharedState(4)
        self._state.set_worker("0" * 32)
        self._entry = self._state.add_claim(7)
        self.options = options_for(broker, *tasks, **options)
        self._runner = TaskRunner(self.options, self._state, max_tasks, WakeupPipe())
        self.socket, self._theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        self._frames = FrameReader()
        self._serializer = broker.backend.serializer
        self.code: int | None = None
        self._thread = threading.Thread(target=self._main)
        self._thread.start()

    def _main(self) -> None:
        with self._theirs:
            self.code = self._runner.main(self._theirs)

    def send(self, message: Message, *charge: str, more: bool = False, **claim: Any) -> Claimed:
        """Send a message, as if it had been claimed; with a charge, it is to be concluded."""
        payload = claim.pop("payload", None) or message.pack(self._serializer)
        claimed = Claimed(message.uuid, message.queue, payload, 7, **claim)
        self.socket.sendall(pack(((1, self._entry, tuple(claimed), charge or None, more),)))
        return claimed

    def receive(self) -> Any:
        """The next frame that it sends; None when it has ended."""
        return receive(self.socket, self._frames)

    def answer(self, message: Message, *charge: str, more: bool = False, **claim: Any) -> Outcome:
        """Its answer to a message."""
        self.send(message, *charge, more=more, **claim)
        outcome = outcome_from_wire(self.receive()[0])
        assert (outcome.uuid, outcome.queue, outcome.token) == (message.uuid, message.queue, 7)
        return outcome

    def end(self) -> int | None:
        """Close, and wait for its end; its exit code."""
        self.socket.close()
        self._thread.join(PATIENCE)
        self._state.close()
        return self.code


@pytest.fixture
def connect(broker: Broker) -> Iterator[Callable[..., FakeEngine]]:
    """Opens connections, and closes them."""
    engines: list[FakeEngine] = []

    def connect(*tasks: AnyTask, **options: Any) -> FakeEngine:
        engines.append(FakeEngine(broker, *tasks, **options))
        return engines[-1]

    yield connect
    for each in engines:
        if each.socket.fileno() >= 0:
            each.end()


def details_of(outcome: Outcome) -> tuple[str, str]:
    """What ended a message."""
    assert isinstance(outcome, Failed), outcome
    details = json.loads(outcome.error)
    return details["name"], details["text"]


@pytest.fixture
def add(broker: Broker) -> AnyTask:
    """A task."""

    @task(broker, result_store=ResultStore(broker.backend), max_retries=0)
    def add(a: int, b: int) -> int:
        return a + b

    return add


def new(task: AnyTask, *args: Any, **further: Any) -> Message:
    """A message of a task."""
    return task.generate(args=args, submit=False, **further)


def test_a_task_is_run_and_its_outcome_sent(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """The result comes serialized; with one task a process, it then ends with 0."""
    engine = connect(add)
    outcome = engine.answer(new(add, 1, 2))
    assert isinstance(outcome, Succeeded)
    assert outcome.result == b"3"
    assert engine.receive() is None
    assert engine.end() == 0


def test_it_serves_max_tasks_jobs(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """With three tasks a process, it ends after the third."""
    engine = connect(add, max_tasks=3)
    for n in range(3):
        engine.answer(new(add, n, 0))
    assert engine.receive() is None
    assert engine.end() == 0


def test_a_job_with_more_to_come_is_not_counted(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """It goes on after such a one, until it has served one task or the engine has closed."""
    for engine in (connect(add), connect(add)):
        for _ in range(3):
            assert isinstance(engine.answer(new(add, 1, 1), more=True, revoked=True), Failed)
    engine.answer(new(add, 1, 1))
    assert engine.receive() is None
    assert engine.end() == 0


def test_it_ends_when_the_engine_has_closed(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """Before any job as well, with exit code 0."""
    assert connect(add).end() == 0


def test_an_exception_is_a_retry_or_a_dead_letter(broker: Broker, connect: Callable[..., FakeEngine]) -> None:
    """`max_retries` decides; SystemExit ends the task, not the process."""

    @task(broker, max_retries=1, backoff=None)
    def leaves() -> None:
        raise SystemExit(3)

    engine = connect(leaves, max_tasks=2)
    retried = engine.answer(new(leaves))
    assert isinstance(retried, Retried)
    again = Message(leaves.name, retries=retried.retries)
    assert details_of(engine.answer(again)) == ("SystemExit", "3")


def test_a_corrupt_payload_is_a_dead_letter(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """Whether it was to be run or charged."""
    engine = connect(add, max_tasks=2)
    for charge in ((), ("WorkerLostError", "x")):
        name, _ = details_of(engine.answer(new(add, 1, 2), *charge, payload=b"\xff{"))
        assert name == "CorruptMessageError"


@pytest.mark.parametrize("policy", ["fail", "wait"])
def test_an_unknown_task_is_set_aside(connect: Callable[..., FakeEngine], add: AnyTask, policy: str) -> None:
    """The store decides whether it fails; the error for that case names it, and the tasks that there are."""
    for charge in ((), ("WorkerLostError", "x")):
        outcome = connect(add, unknown_tasks=policy).answer(Message("stranger"), *charge)
        assert isinstance(outcome, SetAside)
        assert outcome.task == "stranger"
        assert outcome.wait == (policy == "wait")
        details = json.loads(outcome.error)
        assert details["name"] == "UnknownTaskError"
        assert "stranger" in details["text"]
        assert "add" in details["text"]


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ({"revoked": True}, "MessageRevokedError"),
        ({"expired": True}, "MessageExpiredError"),
        ({"losses": 6}, "WorkerLostError"),
    ],
)
def test_a_rejected_message_is_not_run(
    broker: Broker, connect: Callable[..., FakeEngine], claim: dict[str, Any], name: str
) -> None:
    """A revoked or expired message, and one that was lost too often, become dead letters without a retry."""
    ran = []

    @task(broker)
    def runs() -> None:
        ran.append(1)

    assert details_of(connect(runs).answer(new(runs), **claim))[0] == name
    assert ran == []


@pytest.mark.parametrize("name", ["TaskTimeoutError", "WorkerLostError", "MessageRevokedError"])
def test_a_charge_calls_the_hooks_and_runs_nothing(
    broker: Broker, connect: Callable[..., FakeEngine], name: str
) -> None:
    """`do_retry` decides after a timeout or a lost worker; a revoked message is never retried."""
    calls: list[str] = []

    class Asked(Task):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            calls.append(f"do_retry {type(exception).__name__} {exception}")
            return True

        def on_revocation(self, message: Message, exception: BaseException) -> None:
            calls.append("on_revocation")

    @task(broker, base_task=Asked, backoff=None)
    def runs() -> None:
        calls.append("ran")

    outcome = connect(runs).answer(new(runs), name, "why")
    if name == "MessageRevokedError":
        assert details_of(outcome) == (name, "why")
        assert calls == ["on_revocation"]
    else:
        assert isinstance(outcome, Retried)
        assert calls == [f"do_retry {name} why"]


def test_a_charged_message_without_hooks(broker: Broker) -> None:
    """If the process that ran the hooks failed too, `max_retries` alone decides, and no user code runs."""

    class Deadly(Task):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            os._exit(1)

    @task(broker, base_task=Deadly, max_retries=1, backoff=None)
    def dies() -> None: ...

    worker = Worker("0" * 32, "process", None, 15_000, 60_000)
    for retries, kind in ((0, Retried), (1, Failed)):
        message = new(dies)
        message.retries = retries
        claimed = Claimed(message.uuid, message.queue, message.pack(broker.backend.serializer), 3)
        outcome = conclude_charged(
            options_for(broker, dies), worker, claimed, TaskTimeoutError("why"), with_hooks=False
        ).outcome
        assert isinstance(outcome, kind)


def test_a_tracker_elsewhere_waits_for_the_verdict(
    broker: Broker, connect: Callable[..., FakeEngine]
) -> None:
    """It is told RUNNING at once, and the end once the store has accepted the outcome."""
    told: list[str] = []

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            told.append(status.name)

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    engine = connect(nothing, max_tasks=2)
    for accepted in (False, True):
        engine.send(new(nothing))
        assert engine.receive()[1] is True
        engine.socket.sendall(pack(accepted))
        assert engine.receive() == (REPORTED,)
    assert engine.receive() is None
    assert told == ["RUNNING", "RUNNING", "SUCCEEDED"]


def test_it_ends_if_the_engine_closes_before_its_verdict(
    broker: Broker, connect: Callable[..., FakeEngine]
) -> None:
    """Nothing is reported, since the store may have refused the outcome."""
    told: list[str] = []

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            told.append(status.name)

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    engine = connect(nothing)
    engine.send(new(nothing))
    engine.receive()
    assert engine.end() == 0
    assert told == ["RUNNING"]


def test_start_hooks_come_before_it_is_ready(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """It sends READY after its start hooks, and only if there are any; stop hooks run last."""
    calls: list[str] = []
    start = on_worker_start(lambda: calls.append("start"))
    stop = on_worker_stop(lambda: calls.append("stop"))
    engine = connect(add, hooks=(start, stop))
    assert engine.receive() == (READY,)
    assert calls == ["start"]
    engine.answer(new(add, 1, 2))
    assert engine.receive() is None
    assert engine.end() == 0
    assert calls == ["start", "stop"]


def test_a_start_hook_that_fails_is_an_exit_code(connect: Callable[..., FakeEngine], add: AnyTask) -> None:
    """It takes no job and sends nothing."""

    @on_worker_start
    def fails() -> None:
        raise RuntimeError

    engine = connect(add, hooks=(fails,))
    assert engine.receive() is None
    assert engine.end() == EXIT_NOT_STARTED


def test_an_outcome_that_can_not_be_sent_is_a_dead_letter(
    broker: Broker, connect: Callable[..., FakeEngine]
) -> None:
    """If something in it is no plain value, the message fails at once, with the reason."""

    @task(broker, max_retries=5)
    def odd(message: Message) -> None:
        message.callback_message_data = {**Message("next").data, "status_ttl": object()}

    name, text = details_of(connect(odd).answer(new(odd)))
    assert name == "SerializationError"
    assert "object" in text


def test_warming_up_runs_no_user_code_and_logs_nothing(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """It runs neither tasks nor hooks, and logging is as before."""
    ran: list[str] = []
    hook = on_worker_start(lambda: ran.append("hook"))

    @task(broker)
    def runs() -> None:
        ran.append("task")

    caplog.set_level("DEBUG")
    warm_up(options_for(broker, runs, hooks=(hook,)))
    assert ran == []
    assert caplog.text == ""
    logging.getLogger("alsek").debug("heard")
    assert "heard" in caplog.text


def test_warming_up_may_fail(
    broker: Broker, add: AnyTask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a serializer or a type hint raises is logged: if it matters, each message fails with it."""

    def fails(_: object) -> bytes:
        raise RuntimeError("no key yet")

    monkeypatch.setattr(broker.backend.serializer, "forward", fails)
    warm_up(options_for(broker, add))
    assert "no key yet" in caplog.text


@pytest.mark.parametrize("kind", [TaskTimeoutError, WorkerLostError, MessageRevokedError])
def test_a_charge_is_its_exception_by_name_and_text(kind: type[TaskError]) -> None:
    """Each exception that a message can be charged with."""
    error = Charge.of(kind("why")).to_exception()
    assert type(error) is kind
    assert str(error) == "why"


def test_a_coroutine_runs_to_its_end(connect: Callable[..., FakeEngine]) -> None:
    """With its hooks and its middleware on one loop, and the process goes on with the next message."""
    loops = []

    class Looks(Task[Any, Any]):
        async def pre_op(self, message: Message) -> None:
            loops.append(asyncio.get_running_loop())

    class Around(Middleware):
        @asynccontextmanager
        async def attempt(self, message: Message) -> AsyncIterator[None]:
            await asyncio.sleep(0)
            yield

    broker = Broker(MemoryBackend(), middleware=[Around()])

    @task(broker, base_task=Looks, result_store=ResultStore(broker.backend))
    async def twice(n: int, message: Message) -> int:
        assert current_message() is message
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return 2 * n

    engine = connect(twice, max_tasks=2)
    for n in range(2):
        outcome = engine.answer(twice.generate(args=(n,), submit=False))
        assert isinstance(outcome, Succeeded)
        assert outcome.result == str(2 * n).encode()
        assert loops[-1] is loops[-2]
    assert engine.receive() is None
    assert engine.end() == 0


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_coroutine_and_its_process_outlive_what_ends_the_loop(
    connect: Callable[..., FakeEngine], kind: type[BaseException]
) -> None:
    """A callback raises what ends a program, or stops the loop: that may be one which an earlier task has left."""
    broker = Broker(MemoryBackend())

    def raises() -> None:
        raise kind

    @task(broker, result_store=ResultStore(broker.backend))
    async def hostile() -> int:
        loop = asyncio.get_running_loop()
        loop.call_soon(raises)
        loop.call_soon(loop.stop)
        await asyncio.sleep(0.01)
        loop.call_later(0.001, raises)  # in the time of the next one
        return 1

    engine = connect(hostile, max_tasks=2)
    for _ in range(2):
        outcome = engine.answer(hostile.generate(submit=False))
        assert isinstance(outcome, Succeeded), outcome
    assert engine.receive() is None
    assert engine.end() == 0
