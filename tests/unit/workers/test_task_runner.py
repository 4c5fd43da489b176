"""A task's process: what it does with each kind of request, and what it answers."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek import ResultStore, StatusTracker, Task, task
from alsek.core.broker import Broker
from alsek.core.hooks import on_worker_start, on_worker_stop
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import EXIT_NOT_STARTED
from alsek.core.worker.process_executor.frames import FrameReader, outcome_from_wire, pack, receive
from alsek.core.worker.process_executor.task_runner import READY, TOLD, TaskRunner, outcome_without_hooks
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed, Died, Outcome, Retried, Succeeded, Worker
from tests.unit.workers.fakes import PATIENCE, options_for


class EngineConnection:
    """The engine's end of a conversation with an offspring, which runs in a thread of the test's process."""

    def __init__(self, broker: Broker, *tasks: AnyTask, most_tasks: int = 1, **options: Any) -> None:
        self._state = SharedState(4)
        self._state.set_worker("0" * 32)
        self._entry = self._state.add_claim(7)
        self.options = options_for(broker, *tasks, **options)
        self._offspring = TaskRunner(self.options, self._state, most_tasks, WakeupPipe())
        self.socket, self._theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        self._frames = FrameReader()
        self._serializer = broker.backend.serializer
        self.code: int | None = None
        self._thread = threading.Thread(target=self._main)
        self._thread.start()

    def _main(self) -> None:
        with self._theirs:
            self.code = self._offspring.main(self._theirs)

    def send(self, message: Message, *charge: str, **claim: Any) -> Claimed:
        """Send a message, as if it had been claimed; with a charge, it is to be concluded."""
        payload = claim.pop("payload", None) or message.pack(self._serializer)
        claimed = Claimed(message.uuid, message.queue, payload, 7, **claim)
        self.socket.sendall(pack(((1, self._entry, tuple(claimed), (*charge, 5_000) if charge else None),)))
        return claimed

    def said(self) -> Any:
        """The next that it says; None when it has ended."""
        return receive(self.socket, self._frames)

    def answer(self, message: Message, *charge: str, **claim: Any) -> Outcome:
        """Its answer to a message."""
        self.send(message, *charge, **claim)
        outcome = outcome_from_wire(self.said()[0])
        assert (outcome.uuid, outcome.queue, outcome.token) == (message.uuid, message.queue, 7)
        return outcome

    def end(self) -> int | None:
        """Close, and wait for its end; its exit code."""
        self.socket.close()
        self._thread.join(PATIENCE)
        self._state.close()
        return self.code


@pytest.fixture
def line(broker: Broker) -> Iterator[Callable[..., EngineConnection]]:
    """Opens lines, and closes them."""
    lines: list[EngineConnection] = []

    def line(*tasks: AnyTask, **options: Any) -> EngineConnection:
        lines.append(EngineConnection(broker, *tasks, **options))
        return lines[-1]

    yield line
    for each in lines:
        if each.socket.fileno() >= 0:
            each.end()


def details_of(outcome: Outcome) -> tuple[str, str]:
    """What ended a message."""
    assert isinstance(outcome, Died), outcome
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


def test_a_task_is_run_and_its_outcome_sent(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """The result comes serialized; with one task a process, it then ends with 0."""
    open_line = line(add)
    outcome = open_line.answer(new(add, 1, 2))
    assert isinstance(outcome, Succeeded)
    assert outcome.result == b"3"
    assert open_line.said() is None
    assert open_line.end() == 0


def test_it_serves_so_many_and_no_more(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """With three tasks a process, it ends after the third."""
    open_line = line(add, most_tasks=3)
    for n in range(3):
        open_line.answer(new(add, n, 0))
    assert open_line.said() is None
    assert open_line.end() == 0


def test_it_ends_when_the_engine_has_closed(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """Before any task as well; that is a good end."""
    assert line(add).end() == 0


def test_an_exception_is_a_retry_or_a_death(broker: Broker, line: Callable[..., EngineConnection]) -> None:
    """As the task's `max_retries` says; SystemExit ends the task, not the process."""

    @task(broker, max_retries=1, backoff=None)
    def leaves() -> None:
        raise SystemExit(3)

    open_line = line(leaves, most_tasks=2)
    retried = open_line.answer(new(leaves))
    assert isinstance(retried, Retried)
    again = Message.unpack("u", "q", retried.payload, broker.backend.serializer)
    assert details_of(open_line.answer(again)) == ("SystemExit", "3")


def test_a_corrupt_payload_is_buried(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """Bytes that are no message become a dead letter, whether they were to be run or charged."""
    open_line = line(add, most_tasks=2)
    for charge in ((), ("WorkerLostError", "x")):
        name, _ = details_of(open_line.answer(new(add, 1, 2), *charge, payload=b"\xff{"))
        assert name == "CorruptMessageError"


def test_an_unknown_task_is_buried(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """The dead letter names it, and the tasks that there are."""
    name, text = details_of(line(add).answer(Message("stranger")))
    assert name == "UnknownTaskError"
    assert "stranger" in text
    assert "add" in text


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ({"revoked": True}, "MessageRevokedError"),
        ({"expired": True}, "MessageExpiredError"),
        ({"losses": 6}, "WorkerLostError"),
    ],
)
def test_what_is_condemned_is_not_run(
    broker: Broker, line: Callable[..., EngineConnection], claim: dict[str, Any], name: str
) -> None:
    """A revoked or expired message, and one that has cost too many workers, are buried without a retry."""
    ran = []

    @task(broker)
    def runs() -> None:
        ran.append(1)

    assert details_of(line(runs).answer(new(runs), **claim))[0] == name
    assert ran == []


@pytest.mark.parametrize("name", ["TaskTimeoutError", "WorkerLostError", "MessageRevokedError"])
def test_a_charge_asks_the_hooks_and_runs_nothing(
    broker: Broker, line: Callable[..., EngineConnection], name: str
) -> None:
    """`do_retry` decides over a timeout or a lost worker; what was revoked is never retried."""
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

    outcome = line(runs).answer(new(runs), name, "why")
    if name == "MessageRevokedError":
        assert details_of(outcome) == (name, "why")
        assert calls == ["on_revocation"]
    else:
        assert isinstance(outcome, Retried)
        assert calls == [f"do_retry {name} why"]


def test_a_charged_message_without_hooks(broker: Broker) -> None:
    """When even the hooks' process failed, `max_retries` alone decides, and no code of the user's is asked."""

    class Deadly(Task):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            os._exit(1)

    @task(broker, base_task=Deadly, max_retries=1, backoff=None)
    def dies() -> None: ...

    worker = Worker("0" * 32, "process", None, 15_000, 60_000)
    for retries, kind in ((0, Retried), (1, Died)):
        message = new(dies)
        message.retries = retries
        claimed = Claimed(message.uuid, message.queue, message.pack(broker.backend.serializer), 3)
        outcome = outcome_without_hooks(options_for(broker, dies), worker, claimed, "TaskTimeoutError", "why")
        assert isinstance(outcome, kind)


def test_a_tracker_elsewhere_hears_the_verdict(broker: Broker, line: Callable[..., EngineConnection]) -> None:
    """RUNNING at once; the end once the store has accepted it; nothing if it has refused it."""
    told: list[str] = []

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            told.append(status.name)

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    open_line = line(nothing, most_tasks=2)
    for accepted in (False, True):
        open_line.send(new(nothing))
        assert open_line.said()[1] is True
        open_line.socket.sendall(pack(accepted))
        assert open_line.said() == (TOLD,)
    assert open_line.said() is None
    assert told == ["RUNNING", "RUNNING", "SUCCEEDED"]


def test_an_engine_that_goes_before_its_verdict_is_an_end(
    broker: Broker, line: Callable[..., EngineConnection]
) -> None:
    """Nobody knows what the store said: nothing is told, and the process ends."""
    told: list[str] = []

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: Any, details: Any = None) -> None:
            told.append(status.name)

    @task(broker, status_tracker=Elsewhere(MemoryBackend()))
    def nothing() -> None: ...

    open_line = line(nothing)
    open_line.send(new(nothing))
    open_line.said()
    assert open_line.end() == 0
    assert told == ["RUNNING"]


def test_start_hooks_come_before_it_is_ready(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """It says that it is ready after its start hooks, and only where there are any; stop hooks come last."""
    calls: list[str] = []
    start = on_worker_start(lambda: calls.append("start"))
    stop = on_worker_stop(lambda: calls.append("stop"))
    open_line = line(add, hooks=(start, stop))
    assert open_line.said() == (READY,)
    assert calls == ["start"]
    open_line.answer(new(add, 1, 2))
    assert open_line.said() is None
    assert open_line.end() == 0
    assert calls == ["start", "stop"]


def test_a_start_hook_that_fails_is_an_exit_code(line: Callable[..., EngineConnection], add: AnyTask) -> None:
    """It takes no message and says nothing."""

    @on_worker_start
    def fails() -> None:
        raise RuntimeError

    open_line = line(add, hooks=(fails,))
    assert open_line.said() is None
    assert open_line.end() == EXIT_NOT_STARTED


def test_what_can_not_be_sent_is_buried(broker: Broker, line: Callable[..., EngineConnection]) -> None:
    """An outcome with something in it that is no plain value fails its message, with the reason, at once."""

    @task(broker, max_retries=5)
    def odd(message: Message) -> None:
        message.callback_message_data = {**Message("next").data, "status_ttl": object()}

    name, text = details_of(line(odd).answer(new(odd)))
    assert name == "SerializationError"
    assert "object" in text


def test_a_rehearsal_runs_none_of_the_users_code_and_says_nothing(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither tasks nor hooks; the shared state and the bell are left alone, and logging is as it was."""
    ran: list[str] = []
    hook = on_worker_start(lambda: ran.append("hook"))

    @task(broker)
    def runs() -> None:
        ran.append("task")

    state, bell = SharedState(1), WakeupPipe()
    caplog.set_level("DEBUG")
    TaskRunner(options_for(broker, runs, hooks=(hook,)), state, 1, bell).rehearse()
    assert ran == []
    assert caplog.text == ""
    assert state.words.tolist() == SharedState(1).words.tolist()
    assert bell.read() == b""
    logging.getLogger("alsek").debug("heard")
    assert "heard" in caplog.text
    bell.close()
    state.close()


def test_a_rehearsal_that_fails_is_not_the_end(
    broker: Broker, add: AnyTask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What a serializer or a type hint raises is logged: each message will tell whether it matters."""

    def fails(_: object) -> bytes:
        raise RuntimeError("no key yet")

    monkeypatch.setattr(broker.backend.serializer, "forward", fails)
    TaskRunner(options_for(broker, add), SharedState(1), 1, WakeupPipe()).rehearse()
    assert "no key yet" in caplog.text
