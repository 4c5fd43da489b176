"""What a task is: a function that keeps its behaviour, with settings that are checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.backoff import NO_BACKOFF, ConstantBackoff
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import (
    MessageAlreadyExistsError,
    SerializationError,
    TaskDefinitionError,
    ValidationError,
)
from alsek.storage.backends.memory import MemoryBackend


def test_calling_a_task_calls_the_function(broker: Broker) -> None:
    """The original behaviour of a function is conserved, and so is what it says of itself."""

    @task(broker)
    def add(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    assert add(1, b=1) == 2
    assert add(1) == 3
    assert add.name == add.__name__ == "add"  # type: ignore[attr-defined]
    assert add.__doc__ == "Adds."
    assert add.__module__ == __name__
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 2) -> 'int'"
    assert inspect.unwrap(add) is add.function
    with pytest.raises(TypeError, match="argument"):
        add()  # type: ignore[call-arg]
    assert broker.backend.count("queues:alsek_queue") == 0


def test_the_documented_defaults(broker: Broker) -> None:
    """An hour, three retries, the default queue, and any kind of pool, shown as 'process'."""
    plain = task(broker)(lambda: None)
    assert plain.timeout == 3_600_000
    assert plain.max_retries == 3
    assert plain.queue == "alsek_queue"
    assert (plain.mechanism, plain.mechanism_wish) == ("process", "any")
    assert repr(plain) == "Task('<lambda>', queue='alsek_queue', mechanism='any')"


def test_settings_reach_the_message(broker: Broker) -> None:
    """What the task says, its messages say; what generate() says goes first."""
    backoff = ConstantBackoff(5, floor=0)
    made = task(broker, name="n", queue="q", timeout=7, backoff=backoff, mechanism="thread")(
        lambda *args, **kwargs: None
    )
    message = made.generate()
    assert (message.task_name, message.queue, message.timeout) == ("n", "q", 7)
    assert message.backoff == backoff
    assert (message.mechanism, message.mechanism_wish) == ("thread", "thread")
    other = made.generate(
        args=[1],
        kwargs={"a": 1},
        priority=3,
        metadata={"m": 1},
        result_ttl=9,
        uuid="u",
        timeout_override=8,
        delay=4,
        previous_result=[5],
        queue="other",
        ttl=6,
    )
    stored = broker.sync_from_backend(other)
    assert stored.args == (1,)
    assert stored.kwargs == {"a": 1}
    assert stored.metadata == {"m": 1}
    assert stored.previous_result == [5]
    assert (stored.priority, stored.result_ttl, stored.timeout, stored.delay, stored.ttl) == (3, 9, 8, 4, 6)
    assert (stored.uuid, stored.queue) == ("u", "other")


def test_no_backoff_is_no_wait(broker: Broker) -> None:
    """`backoff=None` is a constant 0."""
    assert task(broker, backoff=None)(lambda: None).generate().backoff == NO_BACKOFF


def test_generate_submits_unless_told_not_to(broker: Broker) -> None:
    """A generated message is in the store when generate() returns; with `submit=False` it is not."""
    made = task(broker)(lambda: None)
    assert broker.exists(made.generate())
    kept_back = made.generate(submit=False, ttl=5)
    assert not broker.exists(kept_back)
    assert kept_back.ttl == 5


def test_a_uuid_is_submitted_once(broker: Broker) -> None:
    """The same uuid again is refused."""
    made = task(broker)(lambda: None)
    made.generate(uuid="u")
    with pytest.raises(MessageAlreadyExistsError, match="'u'"):
        made.generate(uuid="u")


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("place", ["args", "kwargs", "metadata"])
def test_what_can_not_be_serialized_is_refused_in_the_producer(
    broker: Broker, place: str, deferred: bool
) -> None:
    """The error names task and value, nothing is submitted, also if it was not to be submitted yet."""
    made = task(broker, name="pay")(lambda *args, **kwargs: None)
    values: dict[str, Any] = {"args": (object(),), "kwargs": {"k": object()}, "metadata": object()}
    with pytest.raises(SerializationError, match=r"task 'pay': .*object object"):
        (made.defer() if deferred else made).generate(**{place: values[place]})
    assert broker.backend.count("queues:alsek_queue") == 0


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": None},
        {"timeout": "1 s"},
        {"timeout": MAX_DURATION + 1},
        {"max_retries": -1},
        {"max_retries": "3"},
        {"mechanism": "gpu"},
        {"backoff": 1_000},
        {"queue": "white space"},
        {"result_store": MemoryBackend()},
        {"status_tracker": MemoryBackend()},
        {"base_task": int},
        {"base_task": "Task"},
    ],
    ids=str,
)
def test_bad_settings_are_refused_where_they_are_written(broker: Broker, options: dict[str, Any]) -> None:
    """A wrong setting is an error when the task is defined, with its value, not when a worker meets it."""
    with pytest.raises(ValidationError):
        task(broker, **options)(lambda: None)


@pytest.mark.parametrize(
    "options",
    [
        {"args": "abc"},
        {"args": 7},
        {"kwargs": [1]},
        {"priority": -1},
        {"priority": 1.5},
        {"delay": -1},
        {"timeout_override": 0},
        {"uuid": "white space"},
        {"queue": "white space"},
        {"result_ttl": 0},
        {"callback": "next"},
        {"callback": ("next",)},
        {"ttl": 0},
        {"ttl": 0, "submit": False},
        {"colour": "red", "submit": False},
    ],
    ids=str,
)
def test_bad_arguments_of_generate_are_refused(broker: Broker, options: dict[str, Any]) -> None:
    """Nothing is submitted of a message that can't be."""
    made = task(broker)(lambda: None)
    with pytest.raises(ValidationError):
        made.generate(**options)
    assert broker.backend.messages.queues() == []


@pytest.mark.parametrize("submit", [True, False])
@pytest.mark.parametrize(
    ("option", "field", "most"),
    [
        ("priority", "priority", MAX_PRIORITY),
        ("delay", "delay", MAX_DURATION),
        ("ttl", "ttl", MAX_DURATION),
        ("timeout_override", "timeout", MAX_DURATION),
        ("result_ttl", "result_ttl", MAX_DURATION),
    ],
)
def test_numbers_that_no_store_holds_are_refused_by_generate(
    broker: Broker, option: str, field: str, most: int, submit: bool
) -> None:
    """The greatest number is accepted; one more is refused with a sentence, and nothing is submitted."""
    made = task(broker, name="pay")(lambda: None)
    with pytest.raises(ValidationError, match=f"{field}={most + 1} of .*'pay'.*must be at most {most}"):
        made.generate(**{option: most + 1}, submit=submit)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=f"call 0 .*{field}={most + 1} of"):
        made.generate_many([()], **{option: most + 1}, submit=submit)  # type: ignore[arg-type]
    assert broker.backend.messages.queues() == []
    assert getattr(made.generate(**{option: most}, submit=submit), field) == most  # type: ignore[arg-type]
    assert getattr(made.generate_many([()], **{option: most}, submit=submit)[0], field) == most  # type: ignore[arg-type]


def test_a_task_needs_a_broker_and_a_function(broker: Broker, backend: MemoryBackend) -> None:
    """Forgotten parentheses, a backend for a broker and a task of a task are told apart."""
    with pytest.raises(ValidationError, match=r"@task\(broker\)"):
        task(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="not a Broker"):
        task(backend)(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="can't be called"):
        task(broker)(7)  # type: ignore[call-overload]
    with pytest.raises(TaskDefinitionError, match="already"):
        task(broker)(task(broker)(lambda: None))


def test_base_task_gives_hooks(broker: Broker) -> None:
    """The task is of the class given."""

    class Custom(Task[..., Any]):
        """With a hook."""

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            return isinstance(exception, KeyError)

    made = task(broker, base_task=Custom)(lambda: None)
    assert isinstance(made, Custom)
    assert made.do_retry(Message("t"), KeyError())


def test_retries_are_counted(broker: Broker) -> None:
    """`max_retries` allows so many; None allows all."""
    three = task(broker)(lambda: None)
    assert [three.do_retry(Message("t", retries=n), ValueError()) for n in range(5)] == [True] * 3 + [
        False
    ] * 2
    assert not task(broker, max_retries=0)(lambda: None).do_retry(Message("t"), ValueError())
    assert task(broker, max_retries=None)(lambda: None).do_retry(Message("t", retries=10**6), ValueError())


def test_on_submit_is_called_after_the_submission(broker: Broker) -> None:
    """The hook sees a message that is in the store; not one that was kept back."""
    seen: list[tuple[str, bool]] = []

    class Custom(Task[..., Any]):
        """With a hook."""

        def on_submit(self, message: Message) -> None:
            seen.append((message.uuid, self.broker.exists(message)))

    made = task(broker, base_task=Custom)(lambda: None)
    message = made.generate()
    made.generate(submit=False)
    assert seen == [(message.uuid, True)]


def test_a_failing_on_submit_does_not_look_like_a_failed_submission(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is in the store: the hook's error is logged, else its caller would submit a second one."""

    class Custom(Task[..., Any]):
        """With a broken hook."""

        def on_submit(self, message: Message) -> None:
            raise RuntimeError("the hook is broken")

    assert broker.exists(task(broker, base_task=Custom)(lambda: None).generate())
    assert "the hook is broken" in caplog.text


def test_submitted_is_told_to_an_overridden_tracker(broker: Broker, backend: MemoryBackend) -> None:
    """A tracker with a `set` of its own has it called by the producer; the stock one rides with the store's step."""
    told: list[TaskStatus] = []

    class Telling(StatusTracker):
        """Tells."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            told.append(status)
            super().set(message, status, details)

    tracker = Telling(backend)
    message = task(broker, status_tracker=tracker)(lambda: None).generate()
    assert told == [TaskStatus.SUBMITTED]
    assert message.status_ttl == 0
    assert tracker.get(message) is TaskStatus.SUBMITTED

    stock = StatusTracker(backend, ttl=None)
    message = task(broker, status_tracker=stock)(lambda: None).generate()
    assert message.status_ttl == -1
    assert stock.get(message) is TaskStatus.SUBMITTED


def test_revocation(broker: Broker) -> None:
    """A message in the store can be revoked; one that is not there can't."""
    made = task(broker)(lambda: None)
    message = made.generate()
    assert not made.is_revoked(message)
    assert made.revoke(message)
    assert made.is_revoked(message)
    assert not made.revoke(made.generate(submit=False))


def test_any_callable_is_a_function() -> None:
    """An object that can be called is a task, named for its class."""

    class Adder:
        """Adds."""

        def __call__(self, a: int) -> int:
            return a + 1

    adder: Callable[[int], int] = Adder()
    made = task(Broker(MemoryBackend()))(adder)
    assert made(1) == 2
    assert made.name == "Adder"
