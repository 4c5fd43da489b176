"""Which tasks and messages are of coroutines, and what the store is told of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from alsek import Broker, Message, task
from alsek.core.task import Task
from alsek.exceptions import ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Succeeded
from alsek.storage.serialization import JsonSerializer
from tests.unit.core.fakes import a_session


async def fetch(url: str, offset: int = 1) -> int:
    """A coroutine."""
    return len(url) + offset


def plain(url: str) -> int:
    """Not one."""
    return len(url)


class Fetcher:
    """Objects with a coroutine for a method."""

    async def __call__(self, url: str) -> int:
        return len(url)

    async def fetch(self, url: str) -> int:
        """A coroutine."""
        return len(url)


def decorated(url: str) -> Any:
    """Returns a coroutine, which nobody can tell before."""
    return fetch(url)


class AsyncOp(Task[..., Any]):
    """A task that awaits what it runs."""

    async def op(self, message: Message) -> Any:  # type: ignore[override]
        """Not the function's own call."""
        return message


@pytest.fixture
def broker() -> Broker:
    """A broker in memory."""
    return Broker(MemoryBackend())


@pytest.mark.parametrize(
    ("function", "is_async"),
    [
        (fetch, True),
        (plain, False),
        (functools.partial(fetch, offset=2), True),
        (functools.partial(functools.partial(fetch), offset=2), True),
        (functools.partial(plain, "x"), False),
        (Fetcher(), True),
        (functools.partial(Fetcher(), "x"), True),
        (Fetcher().fetch, True),
        (Fetcher, False),
        (decorated, False),
        (lambda: None, False),
    ],
)
def test_a_task_knows_whether_it_is_a_coroutine(
    broker: Broker, function: Callable[..., Any], is_async: bool
) -> None:
    """By its function, whatever stands before the `async def`."""
    made: Task[..., Any] = Task(function, broker, name="t")
    assert made.is_async is is_async


def test_an_async_op_makes_a_coroutine_of_any_task(broker: Broker) -> None:
    """What the pool runs is `op`."""
    assert AsyncOp(plain, broker).is_async


def test_its_messages_and_callbacks_say_so(broker: Broker) -> None:
    """And those of other tasks don't."""
    one, other = task(broker)(fetch), task(broker)(plain)
    message = one.generate(
        args=("x",), callback=(other.defer().generate(args=("y",)), one.defer().generate(args=("z",)))
    )
    assert message.is_async
    first = message.callback()
    assert first is not None
    assert not first.is_async
    second = first.callback()
    assert second is not None
    assert second.is_async


@pytest.mark.parametrize("is_async", [False, True])
def test_it_goes_through_the_wire(is_async: bool) -> None:
    """A plain message has not one byte more for it."""
    serializer = JsonSerializer()
    message = Message("t", is_async=is_async)
    payload = message.pack(serializer)
    assert (b"is_async" in payload) is is_async
    read = Message.unpack(message.uuid, message.queue, payload, serializer)
    assert read == message
    assert read.is_async is message.clone().is_async is is_async
    assert Message(**message.data).is_async is is_async


@pytest.mark.parametrize("value", [1, "yes", None])
def test_anything_else_is_refused(value: Any) -> None:
    """When the message is made."""
    with pytest.raises(ValidationError, match=r"is_async=.* must be True or False"):
        Message("t", is_async=value)


@pytest.mark.parametrize("wish", ["any-async", "thread-async", "coroutine"])
def test_the_wish_names_a_mechanism_only(wish: Any) -> None:
    """How stores put the two together is no public name."""
    with pytest.raises(ValidationError, match="must be 'thread' or 'process'"):
        Message("t", mechanism_wish=wish)


def _wishes(broker: Broker, *messages: Message | str) -> list[str | None]:
    uuids = [message if isinstance(message, str) else message.uuid for message in messages]
    located = [broker.backend.messages.find(uuid) for uuid in uuids]
    return [None if each is None else each.wish for each in located]


@pytest.mark.parametrize(
    ("mechanism", "wish"), [(None, "any-async"), ("thread", "thread-async"), ("process", "process")]
)
def test_the_store_is_told(broker: Broker, mechanism: Any, wish: str) -> None:
    """However a message comes into it: one by one, many at once, as a copy, or once more after a retry by hand."""
    one = task(broker, mechanism=mechanism)(fetch)
    message = one.generate(args=("x",))
    many = one.generate_many([("y",), ("z",)])
    copy = message.clone()
    copy.uuid = "copy"
    broker.submit(copy)
    broker.retry(message)
    assert _wishes(broker, message, *many, copy) == [wish] * 4


def test_a_callback_has_the_wish_of_its_own_task(broker: Broker) -> None:
    """The store submits it when the message before it succeeds."""
    one, other = task(broker)(fetch), task(broker, name="plain")(plain)
    first = other.generate(args=("x",), callback=one.defer().generate(args=("y",)))
    second = one.generate(args=("x",), callback=other.defer().generate(args=("y",)))
    callbacks = [message.callback() for message in (first, second)]
    session = a_session(broker.backend)
    for _ in range(2):
        claimed = session.step((), {"any": 1}).claimed[0]
        message = Message.unpack(claimed.uuid, claimed.queue, claimed.payload, broker.backend.serializer)
        following = message.callback()
        assert following is not None
        callback = following.submission(broker.backend.serializer)
        session.step((Succeeded(claimed.uuid, claimed.queue, claimed.token, callback=callback),), {})
    assert _wishes(broker, *(each for each in callbacks if each is not None)) == ["any-async", "any"]


def test_a_replayed_dead_letter_has_it_again(broker: Broker) -> None:
    """The dead letter has no lane, but its payload says that the task is a coroutine."""
    message = task(broker)(fetch).generate(args=("x",))
    broker.fail(message)
    assert _wishes(broker, message) == [None]
    broker.replay(message)
    assert _wishes(broker, message) == ["any-async"]
