"""Bad input is refused where it is given, by an AlsekError that names the argument."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.backoff import ConstantBackoff, ExponentialBackoff
from alsek.core.broker import Broker
from alsek.core.concurrency import Lock
from alsek.core.consumer import Consumer
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import task
from alsek.exceptions import AlsekError, ArgumentsError, SerializationError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore

#: More digits than Python writes out.
HUGE = 10**5_000

#: What is no number of milliseconds.
NO_DURATIONS: list[Any] = [0, -1, True, 1.5, math.inf, math.nan, "1000", [], -HUGE]

#: What is no time to wait.
NO_WAITS: list[Any] = [-1, -0.5, True, math.inf, math.nan, "1000", [], -HUGE]

#: What names neither a queue nor a message.
NO_NAMES: list[Any] = ["", "a b", "a\n", "a\0", "\ud800", "x" * 256, 7, b"queue", [], HUGE]


class Unshowable:
    """Can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def takes_anything(*args: Any, **kwargs: Any) -> None:
    """For any arguments."""


def deep(levels: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE

#: What JSON can't take.
NO_JSON: dict[str, Any] = {
    "integer": HUGE,
    "deep": deep(100_000),
    "circular": CIRCLE,
    "module": math,
    "object in a set": {Lock("x", backend=MemoryBackend())},
    "keys": {object: 3},
    "unshowable": Unshowable(),
}


@pytest.mark.parametrize("number", range(len(NO_DURATIONS)))
def test_durations(broker: Broker, backend: MemoryBackend, number: int) -> None:
    """Whoever takes milliseconds takes integers from 1: no bool, no float, no text; the error names the argument."""
    value = NO_DURATIONS[number]
    made = task(broker, name="pay")(takes_anything)
    lock = Lock("l", backend)
    lock.acquire()
    wrong: list[tuple[str, Callable[[], Any]]] = [
        ("timeout", lambda: task(broker, timeout=value)(takes_anything)),
        ("timeout", lambda: made.generate(timeout_override=value)),
        ("ttl", lambda: made.generate(ttl=value)),
        ("ttl", lambda: made.generate(ttl=value, submit=False)),
        ("ttl", lambda: broker.submit(Message("t"), ttl=value)),
        ("result_ttl", lambda: made.generate(result_ttl=value)),
        ("dlq_ttl", lambda: Broker(backend, dlq_ttl=value)),
        ("ttl", lambda: ResultStore(backend, ttl=value)),
        ("ttl", lambda: StatusTracker(backend, ttl=value)),
        ("ttl", lambda: Lock("l", backend, ttl=value)),
        ("ttl", lambda: lock.extend(value)),
        ("lease", lambda: Consumer(broker, lease=value)),
    ]
    for name, call in wrong:
        with pytest.raises(ValidationError, match=rf"\b{name}="):
            call()
    assert backend.messages.queues() == []
    assert lock.held


@pytest.mark.parametrize("number", range(len(NO_WAITS)))
def test_waits(backend: MemoryBackend, number: int) -> None:
    """Whoever waits waits for a number of milliseconds from 0, which may have a fraction."""
    value = NO_WAITS[number]
    message = Message("t")
    for name, call in [
        ("timeout", lambda: ResultStore(backend).get(message, timeout=value)),
        ("timeout", lambda: StatusTracker(backend).wait_for(message, timeout=value)),
        ("timeout", lambda: StatusTracker(backend).listen(message, timeout=value)),
        ("wait", lambda: Lock("l", backend).acquire(wait=value)),
    ]:
        with pytest.raises(ValidationError, match=rf"\b{name}="):
            call()


def test_a_wait_may_have_a_fraction_and_be_longer_than_python_can_wait(backend: MemoryBackend) -> None:
    """A fraction of a millisecond is fine; so is what users write for "as long as it takes"."""
    message = Message("t")
    with pytest.raises(TimeoutError):
        ResultStore(backend).get(message, timeout=0.5)  # type: ignore[arg-type]
    StatusTracker(backend).set(message, TaskStatus.SUCCEEDED)
    assert StatusTracker(backend).wait_for(message, timeout=HUGE) is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("number", range(len(NO_NAMES)))
def test_names(broker: Broker, backend: MemoryBackend, number: int) -> None:
    """Queues, uuids and locks are named by text without white space; an empty name is not the default."""
    value = NO_NAMES[number]
    made = task(broker)(takes_anything)
    for call in (
        lambda: task(broker, queue=value)(takes_anything),
        lambda: made.generate(queue=value),
        lambda: made.generate_many([()], queue=value),
        lambda: made.generate(uuid=value),
        lambda: Message("t", queue=value),
        lambda: Message("t", uuid=value),
        lambda: Lock(value, backend),
        lambda: Consumer(broker, queues=[value]),
        lambda: Consumer(broker, queues=value),
    ):
        with pytest.raises(ValidationError):
            call()
    assert backend.messages.queues() == []


@pytest.mark.parametrize("value", ["", "a\nb", "a\0", "\ud800", 7, b"t", [], None])
def test_names_of_tasks(broker: Broker, value: Any) -> None:
    """A task is named by text that can be printed; None stands for the function's name."""
    with pytest.raises(ValidationError, match="task_name="):
        Message(value)
    if value is not None:
        with pytest.raises(ValidationError, match="name="):
            task(broker, name=value)(takes_anything)
    assert task(broker, name="send a mail")(takes_anything).generate().task_name == "send a mail"


def test_one_queue_may_be_named_alone(broker: Broker) -> None:
    """A text is one name, not a list of letters."""
    with Consumer(broker, queues="text") as consumer:
        assert consumer.queues == ("text",)
    for wrong in ([], 7, ["a", 7]):
        with pytest.raises(ValidationError):
            Consumer(broker, queues=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", NO_JSON)
@pytest.mark.parametrize("place", ["args", "kwargs", "metadata", "previous_result"])
def test_values_that_can_not_be_serialized(broker: Broker, place: str, kind: str) -> None:
    """The error names the task and where the value stands, and is short, whatever the value; nothing is submitted."""
    value = NO_JSON[kind]
    made = task(broker, name="pay")(takes_anything)
    given: Any = {"args": (1, value), "kwargs": {"a": value}}.get(place, value)
    where = {"args": "args[1]", "kwargs": "kwargs['a']"}.get(place, place)
    for submit in (True, False):
        with pytest.raises(SerializationError) as caught:
            made.generate(**{place: given}, submit=submit)
        assert f"task 'pay': {where} = " in str(caught.value)
        assert len(str(caught.value)) < 1_000
    assert broker.backend.messages.queues() == []


@pytest.mark.parametrize("kind", NO_JSON)
def test_results_details_and_values_that_can_not_be_serialized(backend: MemoryBackend, kind: str) -> None:
    """What users store themselves is refused in the same way, with the serializer's own error as cause."""
    value = NO_JSON[kind]
    message = Message("t")
    for call in (
        lambda: ResultStore(backend).set(message, value),
        lambda: StatusTracker(backend).set(message, TaskStatus.RUNNING, details=value),
        lambda: backend.set("name", value),
        lambda: backend.pub("channel", value),
    ):
        with pytest.raises(SerializationError, match=r"can't be serialized by JsonSerializer\(\)") as caught:
            call()
        assert caught.value.__cause__ is not None
        assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("value", ["\ud800", math.inf, {"a": [None, True, 1.5]}, "\0", 10**300], ids=ascii)
def test_unusual_values_arrive_as_they_were(broker: Broker, value: Any) -> None:
    """What JSON in Python can carry is carried: lone surrogates, infinities, NUL, integers of 300 digits."""
    message = task(broker)(takes_anything).generate(args=(value,), kwargs={"a": value}, metadata=value)
    stored = broker.sync_from_backend(message)
    assert (stored.args[0], stored.kwargs["a"], stored.metadata) == (value, value, value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"args": "text"}, "args='text' of .*must be a list or a tuple"),
        ({"kwargs": {1: 2}}, "the key 1 is no text"),
        ({"kwargs": [("a", 1)]}, "must be a dict"),
        ({"priority": True}, "priority=True"),
        ({"priority": -HUGE}, "priority=an integer of 16610 bits"),
        ({"delay": False}, "delay=False"),
        ({"delay": ""}, "delay=''"),
        ({"uuid": HUGE}, "uuid an integer of"),
    ],
    ids=range(8),
)
def test_options_of_generate(broker: Broker, options: dict[str, Any], sentence: str) -> None:
    """Each is refused by name."""
    with pytest.raises(ValidationError, match=sentence):
        task(broker, name="pay")(takes_anything).generate(**options)
    assert broker.backend.messages.queues() == []


@pytest.mark.parametrize("submit", [True, False])
@pytest.mark.parametrize(
    ("option", "near"),
    [("priorty", " (did you mean 'priority'?)"), ("tll", " (did you mean 'ttl'?)"), ("colour", "")],
)
def test_a_misspelt_option_is_named_with_its_nearest(
    broker: Broker, option: str, near: str, submit: bool
) -> None:
    """It is an error of generate(), a TypeError too, and not one of what generate() calls."""
    with pytest.raises(ArgumentsError) as caught:
        task(broker, name="pay")(takes_anything).generate(**{option: 1}, submit=submit)
    assert str(caught.value) == f"generate() of task 'pay' does not take {option!r}{near}"
    assert isinstance(caught.value, TypeError)
    assert broker.backend.messages.queues() == []


def test_a_broker_may_take_options_of_its_own(backend: MemoryBackend) -> None:
    """generate() passes on what the broker's submit() takes."""
    seen: list[str] = []

    class Tenants(Broker):
        """Takes an option more."""

        def submit(self, message: Message, ttl: int | None = None, tenant: str = "") -> None:
            seen.append(tenant)
            super().submit(message, ttl)

    made = task(Tenants(backend))(takes_anything)
    made.generate(tenant="a")
    assert seen == ["a"]
    with pytest.raises(ArgumentsError, match="did you mean 'tenant'"):
        made.generate(tenent="a")


def test_what_is_given_in_place_of_a_backend_or_a_broker(broker: Broker, backend: MemoryBackend) -> None:
    """Swapped arguments are told at once; for a broker in place of a backend, where its backend is."""
    for kind in (ResultStore, StatusTracker, Broker, lambda it: Lock("l", it)):
        with pytest.raises(ValidationError, match="pass the backend of this Broker: its attribute `backend`"):
            kind(broker)
        for wrong in ("alsek.db", None, MemoryBackend, HUGE):
            with pytest.raises(ValidationError, match="not a backend; say, SQLiteBackend"):
                kind(wrong)
    for wrong in (backend, "b", None):
        with pytest.raises(ValidationError, match="must be a Broker"):
            Consumer(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="must be None or a ResultStore"):
        task(broker, result_store=StatusTracker(backend))(takes_anything)  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="must be a trigger of APScheduler 3"):
        task(broker, trigger="hourly")(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="must be None or a Serializer"):
        MemoryBackend(serializer="json")  # type: ignore[arg-type]
    for namespace in (7, "", "a\x07b", "\ud800", None):
        with pytest.raises(ValidationError, match="namespace"):
            MemoryBackend(namespace=namespace)  # type: ignore[arg-type]
    for owner in ("", 7, "a\n"):
        with pytest.raises(ValidationError, match="owner_id"):
            Lock("l", backend, owner_id=owner)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="backoff="):
        Consumer(broker, backoff=1_000)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, math.inf, math.nan, -1, "1", None])
def test_numbers_of_backoffs(value: Any) -> None:
    """They are numbers from 0; None is none but for the bounds."""
    for name in ("constant", "floor", "ceiling"):
        if value is None and name != "constant":
            continue
        with pytest.raises(ValidationError, match=rf"^{name}="):
            ConstantBackoff(**{name: value})
    with pytest.raises(ValidationError, match=r"^base="):
        ExponentialBackoff(base=value)


@pytest.mark.parametrize("value", [True, -1, 1.5, "3", math.inf])
def test_max_retries(broker: Broker, value: Any) -> None:
    """A count, or None."""
    with pytest.raises(ValidationError, match="max_retries="):
        task(broker, max_retries=value)(takes_anything)
    assert task(broker, max_retries=HUGE)(takes_anything).max_retries == HUGE


def test_everything_is_an_alsek_error() -> None:
    """One `except AlsekError` catches all of the above; each is what Python would have raised, too."""
    assert issubclass(ValidationError, AlsekError)
    assert issubclass(ValidationError, ValueError)
    assert issubclass(ArgumentsError, ValidationError)
    assert issubclass(ArgumentsError, TypeError)
    assert issubclass(SerializationError, AlsekError)
    assert issubclass(SerializationError, TypeError)
