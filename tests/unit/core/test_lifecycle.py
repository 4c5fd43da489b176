"""One message through one task: each way it can end, and what the store is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.attempt_state import read_message
from alsek.core.backoff import Backoff, ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import Conclusion, conclude, dead_letter, dead_letter_unreadable
from alsek.core.execution.opening import rejection_of
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.status_reports import report_status
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.defaults import MAX_DURATION
from alsek.exceptions import (
    BackendUnavailableError,
    MessageExpiredError,
    MessageRevokedError,
    Reject,
    Retry,
    TaskTimeoutError,
    UnknownTaskError,
    WorkerLostError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import FOR_EVER, Claimed, Failed, Retried, Succeeded, Worker
from alsek.storage.result import ResultStore
from alsek.storage.serialization import JsonSerializer, Serializer
from tests.unit.core.fakes import claim, held


class Recorder(Task[..., Any]):
    """Writes down which hooks are called, in which order."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[str] = []

    def pre_op(self, message: Message) -> None:
        self.calls.append("pre_op")

    def post_op(self, message: Message, result: Any) -> None:
        self.calls.append(f"post_op {result}")

    def do_callback(self, message: Message, result: Any) -> bool:
        self.calls.append("do_callback")
        return True

    def on_retry(self, message: Message, exception: BaseException) -> None:
        self.calls.append(f"on_retry {message.retries} {exception!r}")

    def on_failure(self, message: Message, exception: BaseException) -> None:
        self.calls.append(f"on_failure {exception!r}")

    def on_success(self, message: Message, result: Any) -> None:
        self.calls.append(f"on_success {result}")

    def on_revocation(self, message: Message, exception: BaseException) -> None:
        self.calls.append("on_revocation")


def run(made: Task[..., Any], **options: Any) -> tuple[Message, Conclusion]:
    """Generate, claim, attempt, conclude."""
    made.generate(**options)
    message = claim(made.broker)
    return message, through(made, message)


def through(made: Task[..., Any], message: Message) -> Conclusion:
    """Attempt, conclude."""
    delivery = held(message)
    return conclude(made, delivery, attempt(made, delivery))


def claimed_again(broker: Broker, message: Message) -> Message:
    """A message made by hand, as the store hands it out."""
    message.queue = "by_hand"
    broker.submit(message)
    return claim_in(broker, message.queue)


def dead(conclusion: Conclusion) -> dict[str, Any]:
    """The details of a dead letter to be."""
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.status is TaskStatus.FAILED
    details: dict[str, Any] = json.loads(conclusion.outcome.error)
    return details


def again(made: Task[..., Any], conclusion: Conclusion) -> Message:
    """The message as it will run again."""
    outcome = conclusion.outcome
    assert isinstance(outcome, Retried)
    assert conclusion.status is TaskStatus.RETRYING
    stored = made.broker.backend.messages.get(outcome.queue, outcome.uuid)
    assert stored is not None
    assert outcome.payload is None
    state = {name: getattr(outcome, name) for name in ("retries", "updated_at", "retry_delay", "last_error")}
    return read_message(stored._replace(**state), made.broker.backend.serializer)


def failing(error: BaseException) -> Callable[[], None]:
    """A function that raises."""

    def function() -> None:
        raise error

    return function


# ── success ────────────────────────────────────────────────────────────────────────────────────


def test_success(broker: Broker) -> None:
    """Hooks in their order; nothing but the message's end is told where there is nothing to keep."""
    made = task(broker, base_task=Recorder)(lambda: 99)
    message, conclusion = run(made)
    assert conclusion == (
        Succeeded(message.uuid, message.queue, message.token or 0, None, FOR_EVER, None, None),
        TaskStatus.SUCCEEDED,
        None,
    )
    assert made.calls == ["pre_op", "post_op 99", "on_success 99"]


def test_the_result_rides_with_the_outcome(broker: Broker, backend: MemoryBackend) -> None:
    """Serialized, with its ttl and its progenitor; None is a result too."""
    made = task(broker, result_store=ResultStore(backend, ttl=5))(lambda: None)
    message, conclusion = run(made)
    assert isinstance(conclusion.outcome, Succeeded)
    assert (conclusion.outcome.result, conclusion.outcome.result_ttl) == (b"null", 5)
    broker.ack(message)
    _, conclusion = run(made, result_ttl=7)
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.result_ttl == 7


def test_the_callback_is_built_from_the_result(broker: Broker) -> None:
    """It has the result, its parent's uuid and the progenitor; the rest is as it was generated."""
    made = task(broker, base_task=Recorder)(lambda: 99)
    then = made.generate(submit=False, delay=5, priority=3, callback=made.generate(submit=False))
    message, conclusion = run(made, callback=then)
    assert made.calls[-2:] == ["do_callback", "on_success 99"]
    assert isinstance(conclusion.outcome, Succeeded)
    submission = conclusion.outcome.callback
    assert submission is not None
    assert (submission.uuid, submission.delay, submission.priority) == (then.uuid, 5, 3)
    callback = Message.unpack(then.uuid, then.queue, submission.payload, broker.backend.serializer)
    assert callback.previous_result == 99
    assert callback.previous_message_uuid == message.uuid
    assert callback.progenitor_uuid == message.uuid
    assert callback.callback_message_data == then.callback_message_data


def test_the_progenitor_is_the_root(broker: Broker) -> None:
    """A callback of a callback descends from the first message."""
    made = task(broker)(lambda: 1)
    a, b = made.generate(submit=False), made.generate(submit=False)
    root, conclusion = run(made, callback=(a, b))
    assert root.claim is not None
    root.claim.session.step((conclusion.outcome,), 0)
    second = claim(broker)
    assert (second.uuid, second.progenitor_uuid) == (a.uuid, root.uuid)
    conclusion = through(made, second)
    assert second.claim is not None
    second.claim.session.step((conclusion.outcome,), 0)
    third = claim(broker)
    assert (third.uuid, third.progenitor_uuid, third.previous_message_uuid) == (b.uuid, root.uuid, a.uuid)


def test_do_callback_decides(broker: Broker) -> None:
    """False, and the callback is left out; without a callback it is not asked."""

    class Never(Recorder):
        """No callbacks."""

        def do_callback(self, message: Message, result: Any) -> bool:
            super().do_callback(message, result)
            return False

    made = task(broker, base_task=Never)(lambda: 1)
    _, conclusion = run(made, callback=made.generate(submit=False))
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.callback is None
    plain = task(broker, base_task=Never)(lambda: 1)
    run(plain)
    assert plain.calls == ["pre_op", "post_op 1", "on_success 1"]


# ── failure and retry ──────────────────────────────────────────────────────────────────────────


def test_a_failure_is_retried_after_the_backoff(broker: Broker) -> None:
    """One retry more, the exception kept, the delay that of the backoff."""
    made = task(broker, base_task=Recorder, backoff=ConstantBackoff(7, floor=0))(failing(ValueError("no")))
    message, conclusion = run(made)
    retried = again(made, conclusion)
    assert retried.retries == 1
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == 7
    assert retried.ready_at == retried.updated_at + 7
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == "ValueError"
    assert "in function" in (retried.exception_details["traceback"] or "")
    assert message.retries == 0
    assert made.calls == ["pre_op", "on_retry 1 ValueError('no')"]


def test_spent_retries_end_in_the_dead_letters(broker: Broker) -> None:
    """max_retries=3 is four runs; 0 is one."""
    made = task(broker, base_task=Recorder, backoff=None)(failing(ValueError("no")))
    made.generate()
    for retries in range(3):
        message = claim(broker)
        assert message.retries == retries
        conclusion = through(made, message)
        assert again(made, conclusion).retries == retries + 1
        assert message.claim is not None
        message.claim.session.step((conclusion.outcome,), 0)
    message = claim(broker)
    conclusion = through(made, message)
    assert dead(conclusion)["text"] == "no"
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.outcome.dlq_ttl == broker.dlq_ttl
    assert made.calls[-1] == "on_failure ValueError('no')"
    once = task(broker, max_retries=0)(failing(ValueError("no")))
    message = claimed_again(broker, Message(once.name))
    dead(through(once, message))


def test_dead_letters_can_be_off(backend: MemoryBackend) -> None:
    """Then the outcome keeps the message for no time."""
    made = task(Broker(backend, dlq_ttl=None), max_retries=0)(failing(ValueError("no")))
    _, conclusion = run(made)
    assert isinstance(conclusion.outcome, Failed)
    assert conclusion.outcome.dlq_ttl == 0


def test_do_retry_decides(broker: Broker) -> None:
    """The tour's: no retry of a ZeroDivisionError; it sees the exception and the message."""

    class Custom(Task[..., Any]):
        """The tour's."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return not isinstance(exception, ZeroDivisionError)

    assert (
        dead(run(task(broker, base_task=Custom)(failing(ZeroDivisionError())))[1])["name"]
        == "ZeroDivisionError"
    )
    made = task(broker, base_task=Custom, max_retries=0)(failing(KeyError()))
    again(made, run(made)[1])


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), TaskTimeoutError("late")]
)
def test_whatever_a_task_raises_ends_the_attempt_alone(broker: Broker, error: BaseException) -> None:
    """sys.exit() in a task ends the task, not the worker."""
    made = task(broker)(failing(error))
    retried = again(made, run(made)[1])
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == type(error).__name__


@pytest.mark.parametrize("hook", ["pre_op", "post_op", "do_callback"])
def test_a_failing_hook_around_the_function_is_a_failure(broker: Broker, hook: str) -> None:
    """pre_op, post_op and do_callback belong to the attempt."""

    def broken(self: Any, *args: Any) -> None:
        raise RuntimeError(hook)

    made = task(broker, base_task=type("Custom", (Task,), {hook: broken}))(lambda: 1)
    retried = again(made, run(made, callback=made.generate(submit=False))[1])
    assert retried.exception_details is not None
    assert retried.exception_details["text"] == hook


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
@pytest.mark.parametrize("hook", ["on_success", "on_retry", "on_failure", "on_revocation"])
def test_a_failing_hook_after_the_fact_changes_nothing(
    broker: Broker, hook: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the message ends as it would have."""

    def broken(self: Any, *args: Any) -> None:
        raise error

    base = type("Custom", (Task,), {hook: broken})
    fails = hook != "on_success"
    made = task(broker, base_task=base, max_retries=int(hook == "on_retry"))(
        failing(ValueError()) if fails else lambda: None
    )
    if hook == "on_revocation":
        made.generate()
        conclusion = dead_letter(made, held(claim(broker)), MessageRevokedError("revoked"))
    else:
        _, conclusion = run(made)
    expected = {"on_success": Succeeded, "on_retry": Retried}.get(hook, Failed)
    assert type(conclusion.outcome) is expected
    assert f"{hook} failed" in caplog.text or "broken failed" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
def test_a_failing_do_retry_leaves_it_to_max_retries(broker: Broker, error: BaseException) -> None:
    """The user's mistake must not decide that a message is lost."""

    class Custom(Task[..., Any]):
        """Broken."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            raise error

    made = task(broker, base_task=Custom)(failing(ValueError()))
    again(made, run(made)[1])
    once = task(broker, base_task=Custom, max_retries=0)(failing(ValueError("v")))
    once.generate(queue="once")
    message = claimed_again(broker, Message(once.name))
    assert dead(through(once, message))["text"] == "v"


def test_what_a_task_does_to_its_arguments_does_not_reach_the_next_attempt(broker: Broker) -> None:
    """A retry runs what was submitted, though the function emptied its list and spoilt its dict."""

    @task(broker)
    def spoil(items: list[Any], options: dict[str, Any], message: Message) -> None:
        items.append(object())
        options.clear()
        message.metadata = object()
        raise ValueError

    _, conclusion = run(spoil, args=([1, 2],), kwargs={"options": {"a": 1}}, metadata="m")
    retried = again(spoil, conclusion)
    assert retried.args == ([1, 2],)
    assert retried.kwargs == {"options": {"a": 1}}
    assert retried.metadata == "m"


# ── directives ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(None, 60_000), (0, 0), (5, 5), (-5, 0), (2.7, 2), ("soon", 60_000), (10**20, MAX_DURATION)],
    ids=str,
)
def test_retry_asks_for_a_delay(broker: Broker, asked: Any, delay: int) -> None:
    """Its own delay in place of the backoff; what is no delay leaves it to the backoff."""
    made = task(broker)(failing(Retry("later", delay=asked)))
    _, conclusion = run(made)
    retried = again(made, conclusion)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == delay
    assert retried.ready_at == retried.updated_at + delay
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == "Retry"


def test_retry_counts(broker: Broker) -> None:
    """With max_retries spent it fails like any other; a failure after it takes the backoff again."""
    assert dead(run(task(broker, max_retries=0)(failing(Retry("later"))))[1])["name"] == "Retry"
    made = task(broker)(failing(ValueError()))
    message = claimed_again(broker, Message(made.name, retries=1, retry_delay=5))
    retried = again(made, through(made, message))
    assert retried.retry_delay is None
    assert retried.ready_at == retried.updated_at + retried.backoff.get(2)


def test_reject_goes_to_the_dead_letters_at_once(broker: Broker) -> None:
    """Whatever do_retry would say."""
    made = task(broker, max_retries=None, base_task=Recorder)(failing(Reject("never")))
    assert dead(run(made)[1])["text"] == "never"
    assert made.calls[-1] == "on_failure Reject('never')"


# ── what can't be kept ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("max_retries", [0, 1])
def test_a_failure_is_logged_with_its_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture, max_retries: int
) -> None:
    """The log of each failed attempt has the traceback: as WARNING if it is retried, as ERROR if it failed for good."""

    def divide() -> float:
        return 1 / 0

    with caplog.at_level("WARNING"):
        run(Task(divide, broker, max_retries=max_retries))
    assert [record.levelname for record in caplog.records] == [["ERROR", "WARNING"][max_retries]]
    assert "return 1 / 0" in caplog.text
    assert caplog.text.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("asked", [Retry("not yet"), Reject("never")])
def test_what_a_task_asked_for_is_logged_without_a_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture, asked: Exception
) -> None:
    """`Retry` and `Reject` are no errors in the task's code: one line in the log says what they do."""

    def steer() -> None:
        raise asked

    with caplog.at_level("WARNING"):
        run(Task(steer, broker))
    assert str(asked) in caplog.text
    assert "Traceback" not in caplog.text


def test_a_result_that_can_not_be_serialized(broker: Broker, backend: MemoryBackend) -> None:
    """It would fail in the same way again: to the dead letters, naming task and type."""
    made = task(broker, name="pay", result_store=ResultStore(backend))(lambda: object())
    details = dead(run(made)[1])
    assert details["name"] == "SerializationError"
    assert "'pay' returned object" in details["text"]


def test_nobody_minds_such_a_result_without_a_store(broker: Broker) -> None:
    """What is not kept need not be serializable; unless a callback is to have it."""
    made = task(broker)(lambda: object())
    assert run(made)[1].status is TaskStatus.SUCCEEDED
    made = task(broker)(lambda: object())
    made.generate(queue="other", callback=made.generate(submit=False))
    message = claim_in(broker, "other")
    details = dead(through(made, message))
    assert "previous_result" in details["text"]


def claim_in(broker: Broker, queue: str) -> Message:
    """The next message of one queue."""
    session = WorkerSession(broker.backend, Worker("", "any", (queue,), 15_000, 1_000, "freely"))
    session.register()
    return claim(broker, session)


class Moody(Serializer):
    """Raises an error of its own for what is 'bad'."""

    class Refusal(Exception):
        """Neither a TypeError nor a ValueError."""

    def forward(self, obj: Any) -> bytes:
        if obj == "bad":
            raise self.Refusal
        return JsonSerializer().forward(obj)

    def reverse(self, obj: bytes) -> Any:
        return JsonSerializer().reverse(obj)


@pytest.mark.parametrize("error", [ConnectionError("db"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_errors_of_a_result_store_are_met(broker: Broker, error: BaseException) -> None:
    """One that raises anything at all has failed the attempt: the message is retried."""

    class Own(ResultStore):
        def set(self, message: Message, result: Any) -> None:
            raise error

    made = task(broker, result_store=Own(broker.backend))(lambda: 1)
    assert again(made, run(made)[1]).retries == 1


def test_errors_of_any_serializer_are_met() -> None:
    """A serializer of the user's may raise what it likes: the message still ends."""
    backend = MemoryBackend(serializer=Moody())
    made = task(Broker(backend), result_store=ResultStore(backend))(lambda: "bad")
    assert dead(run(made)[1])["name"] == "SerializationError"


class Exits(dict[str, int]):
    """Exits when it is serialized."""

    def items(self) -> Any:
        raise SystemExit(3)


def test_a_result_that_exits_when_it_is_serialized(broker: Broker, backend: MemoryBackend) -> None:
    """It is a result that can't be serialized, like any other."""
    made = task(broker, result_store=ResultStore(backend))(lambda: Exits(a=1))
    details = dead(run(made)[1])
    assert details["name"] == "SerializationError"
    assert "returned Exits" in details["text"]


def test_a_callback_that_exits_when_it_is_serialized(broker: Broker) -> None:
    """It is a failed attempt."""
    made = task(broker, max_retries=0)(lambda: Exits(a=1))
    made.generate(queue="other", callback=made.generate(submit=False))
    message = claim_in(broker, "other")
    assert isinstance(through(made, message).outcome, Failed)


def test_an_exception_whose_text_exits(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """It is a failed attempt, with a stand-in for the text; a delay that exits is none."""

    class Bad(Retry):
        """Can't be shown."""

        def __str__(self) -> str:
            raise SystemExit(3)

    class Delay:
        """Can't be counted."""

        def __int__(self) -> int:
            raise SystemExit(3)

    _, conclusion = run(task(broker)(failing(Bad(delay=Delay()))))  # type: ignore[arg-type]
    assert isinstance(conclusion.outcome, Retried)
    assert b"Bad whose text can't be had: SystemExit" in conclusion.outcome.last_error
    assert "Bad whose text can't be had: SystemExit" in caplog.text


def test_a_retry_that_can_not_be_read(backend: MemoryBackend) -> None:
    """If the serializer fails at that very moment, the message fails for good, by what the task has raised."""
    made = task(Broker(backend))(failing(ValueError("v")))
    made.generate()
    message = claim(made.broker)
    delivery = held(message)
    made_attempt = attempt(made, delivery)
    backend.serializer.reverse = lambda obj: sys.exit(3)  # type: ignore[method-assign]
    assert dead(conclude(made, delivery, made_attempt))["text"] == "v"


@pytest.mark.parametrize("where", ["message", "task", "both"])
def test_a_backoff_that_fails(broker: Broker, where: str) -> None:
    """Unknown here, or raising: the task's own is used, and if that fails too, the default."""

    class Broken(Backoff):
        """Divides by zero."""

        @property
        def parameters(self) -> dict[str, Any]:
            return {}

        def formula(self, incidents: int) -> float:
            return 1 / 0

    own = Broken() if where in ("task", "both") else ConstantBackoff(7, floor=0)
    made = task(broker, backoff=own)(failing(ValueError()))
    unknown: Any = {"algorithm": "NotImported", "parameters": {}}
    message = claimed_again(
        broker, Message(made.name, backoff_settings=made.backoff.settings if where == "task" else unknown)
    )
    conclusion = through(made, message)
    again(made, conclusion)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == (7 if where == "message" else 60_000)


def test_a_backoff_without_end(broker: Broker) -> None:
    """One of the user's own that answers more than any store counts with: the longest duration that there is."""

    class Endless(Backoff):
        """Minds no bound."""

        @property
        def parameters(self) -> dict[str, Any]:
            return {}

        def formula(self, incidents: int) -> float:
            return 0

        def get(self, incidents: int) -> int:
            return 10**30

    made = task(broker, backoff=Endless())(failing(ValueError()))
    _, conclusion = run(made)
    assert isinstance(conclusion.outcome, Retried)
    assert conclusion.outcome.delay == MAX_DURATION


# ── stores and trackers elsewhere ──────────────────────────────────────────────────────────────


def test_a_result_store_elsewhere_is_written_before_the_outcome(broker: Broker) -> None:
    """Under the claim's token; the outcome carries no result then."""
    elsewhere = ResultStore(MemoryBackend())
    made = task(broker, result_store=elsewhere)(lambda: 99)
    message, conclusion = run(made)
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.result is None
    assert elsewhere.get(message, with_metadata=True)["result"] == 99


def test_an_overridden_set_is_called(broker: Broker, backend: MemoryBackend) -> None:
    """A result store with a `set` of its own has it called, on whichever backend."""
    told = []

    class Own(ResultStore):
        """Tells."""

        def set(self, message: Message, result: Any) -> None:
            told.append((message.uuid, result))

    message, conclusion = run(task(broker, result_store=Own(backend))(lambda: 99))
    assert told == [(message.uuid, 99)]
    assert conclusion.status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize(
    "error",
    [BackendUnavailableError("away"), ConnectionError("db"), KeyError("k"), ValueError("v"), TypeError("t")],
)
def test_a_result_store_that_fails_is_a_failed_attempt(
    broker: Broker, backend: MemoryBackend, error: Exception
) -> None:
    """Whatever the user's `set` raises: the result was not kept, so the message is run again."""

    class Own(ResultStore):
        """Fails."""

        def set(self, message: Message, result: Any) -> None:
            raise error

    made = task(broker, result_store=Own(backend))(lambda: 99)
    retried = again(made, run(made)[1])
    assert retried.exception_details is not None
    assert retried.exception_details["name"] == type(error).__name__


def test_an_unserializable_result_for_a_store_elsewhere(broker: Broker) -> None:
    """It is told from a failing store: it would fail in the same way again."""
    made = task(broker, result_store=ResultStore(MemoryBackend()))(lambda: object())
    assert dead(run(made)[1])["name"] == "SerializationError"


def test_report_tells_trackers_that_the_store_does_not_write(
    broker: Broker, backend: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A tracker elsewhere, or with a `set` of its own, is told; the stock one is not; a failure is logged."""
    told = []

    class Own(StatusTracker):
        """Tells, and fails."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            told.append(status)
            if status is TaskStatus.FAILED:
                raise ConnectionError("db")

    made = task(broker, status_tracker=Own(backend))(lambda: None)
    made.generate()
    delivery = held(claim(broker))
    report_status(made, delivery, TaskStatus.RUNNING)
    report_status(made, delivery, TaskStatus.FAILED)
    assert told == [TaskStatus.SUBMITTED, TaskStatus.RUNNING, TaskStatus.FAILED]
    assert "ConnectionError" in caplog.text
    stock = StatusTracker(backend)
    made = task(broker, status_tracker=stock)(lambda: None)
    message = made.generate(queue="tracked")
    delivery = held(claim_in(broker, "tracked"))
    stock.delete(message)
    report_status(made, delivery, TaskStatus.RUNNING)
    assert stock.get(message) is TaskStatus.UNKNOWN
    report_status(task(broker)(lambda: None), delivery, TaskStatus.RUNNING)


# ── what must not run ──────────────────────────────────────────────────────────────────────────


def test_condemned() -> None:
    """Revoked, expired, and more often lost than allowed; exactly as often is still allowed."""
    sound = Claimed("u", "q", b"", 1)
    assert rejection_of(sound, 5) is None
    assert rejection_of(sound._replace(losses=5), 5) is None
    assert rejection_of(sound._replace(suspect=True), 5) is None
    assert type(rejection_of(sound._replace(losses=6), 5)) is WorkerLostError
    assert type(rejection_of(sound._replace(expired=True), 5)) is MessageExpiredError
    assert type(rejection_of(sound._replace(revoked=True, expired=True, losses=9), 5)) is MessageRevokedError


def test_a_revoked_message_is_buried(broker: Broker) -> None:
    """on_revocation is called for it, and on_failure is not."""
    made = task(broker, base_task=Recorder)(lambda: None)
    made.generate()
    message = claim(broker)
    assert (
        dead(dead_letter(made, held(message), MessageRevokedError("revoked")))["name"]
        == "MessageRevokedError"
    )
    assert made.calls == ["on_revocation"]


def test_an_unknown_task_is_buried(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Without a task, by the pool's broker; the log has the name."""
    broker.submit(Message("nobody_knows"))
    details = dead(
        dead_letter(None, held(claim(broker)), UnknownTaskError("no task is named 'nobody_knows'"), broker)
    )
    assert details["name"] == "UnknownTaskError"
    assert "nobody_knows" in caplog.text


def test_an_unreadable_message_is_buried() -> None:
    """As it is, with the reason; for no time where dead letters are off."""
    claimed = Claimed("u", "q", b"\xff", 4)
    outcome = dead_letter_unreadable(claimed, ValueError("broken"), None)
    assert outcome[:3] == ("u", "q", 4)
    assert outcome.dlq_ttl == 0
    assert json.loads(outcome.error)["text"] == "broken"


def test_a_revoked_message_is_not_retried(broker: Broker) -> None:
    """Whatever retries are left, and whatever `do_retry` would say: it is not asked."""

    class Asked(Task[..., Any]):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            raise AssertionError("it was asked")

    made = task(broker, base_task=Asked, max_retries=None)(failing(MessageRevokedError("while it ran")))
    assert dead(run(made)[1])["name"] == "MessageRevokedError"
