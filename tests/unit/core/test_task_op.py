"""Running the function: its arguments, the message, coroutines."""

from __future__ import annotations

import asyncio
import functools
import sys
import typing
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

import alsek.core.message
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import task

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

    from alsek.core.message import Message as AlsoMessage

#: Takes it, whatever the spelling.
TAKING: dict[str, str] = {
    "no hint": "def f(message): return message",
    "hint": "def f(message: Message): return message",
    "text": "def f(message: 'Message'): return message",
    "dotted": "def f(message: alsek.core.message.Message): return message",
    "optional": "def f(message: Optional[Message] = None): return message",
    "optional text": "def f(message: 'Optional[Message]' = None): return message",
    "or none": "def f(message: Message | None = None): return message",
    "renamed": "def f(message: Renamed): return message",
    "keyword only": "def f(*, message: Message): return message",
    "default": "def f(message: Message = None): return message",
    "beside what only checkers know": "def f(message: Message, other: 'Unknown' = 1): return message",
    "known to checkers": "def f(message: 'unknown.Message'): return message",
    "known to checkers, optional": "def f(message: 'Optional[unknown.Message]'): return message",
    "known to checkers, or none": "def f(message: 'unknown.Message | None'): return message",
    "async": "async def f(message: Message): return message",
}

#: Leaves it.
LEAVING: dict[str, str] = {
    "none": "def f(): return 'no'",
    "other type": "def f(message: str = 'no'): return message",
    "other text": "def f(message: 'str' = 'no'): return message",
    "anything": "def f(message: Any = 'no'): return message",
    "list of messages": "def f(message: list[Message] = 'no'): return message",
    "unknown": "def f(message: 'Unknown' = 'no'): return message",
    "like it": "def f(message: 'unknown.MessageSink' = 'no'): return message",
    "var keywords": "def f(**message): return 'no' if not message else message",
    "var positional": "def f(*message): return 'no' if not message else message",
}


@pytest.fixture(params=["", "from __future__ import annotations\n"], ids=["eager", "lazy"])
def define(request: pytest.FixtureRequest) -> Callable[[str], Callable[..., Any]]:
    """Makes a function from text, in a module of its own, with evaluated annotations and without."""

    def made(text: str) -> Callable[..., Any]:
        module = ModuleType("made_for_a_test")
        module.__dict__.update(
            Message=Message, Renamed=Message, Optional=Optional, Any=Any, alsek=alsek, typing=typing
        )
        exec(compile(request.param + text, "<made>", "exec", dont_inherit=True), module.__dict__)
        function: Callable[..., Any] = module.__dict__["f"]
        return function

    return made


@pytest.mark.parametrize("text", TAKING.values(), ids=TAKING)
def test_the_message_is_passed(
    define: Callable[[str], Callable[..., Any]], broker: Broker, text: str
) -> None:
    """A parameter `message` without a hint, or with one that resolves to Message, is given the message."""
    made = task(broker)(define(text))
    message = made.generate()
    assert made.op(message) is message


@pytest.mark.parametrize("text", LEAVING.values(), ids=LEAVING)
def test_the_message_is_not_passed(
    define: Callable[[str], Callable[..., Any]], broker: Broker, text: str
) -> None:
    """A hint of another type, or no such parameter, and the function is left alone."""
    made = task(broker)(define(text))
    assert made.op(made.generate()) == "no"


def test_a_message_of_the_users_goes_first(broker: Broker) -> None:
    """With a key `message` in kwargs the function gets that."""

    @task(broker)
    def f(message: Message) -> Any:
        return message

    assert f.op(f.generate(kwargs={"message": "string"})) == "string"


def test_hints_known_in_this_file_to_checkers_only(broker: Broker) -> None:
    """What is imported for type checkers alone does not keep the message from being passed."""

    @task(broker)
    def f(message: Message, number: OnlyForCheckers | None = None) -> Any:
        return message

    @task(broker)
    def g(message: AlsoMessage | None = None) -> Any:
        return message

    message = f.generate()
    assert f.op(message) is message
    # An alias that exists for type checkers only says nothing at run time.
    assert g.op(message) is None


def test_annotated_and_wrapped_functions(broker: Broker) -> None:
    """A hint may be annotated, and a wrapper's is that of the function it wraps."""

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @task(broker)
    @wrapped
    def f(message: Annotated[Message, "mine"]) -> Any:
        return message

    message = f.generate()
    assert f.op(message) is message


def test_arguments_arrive(broker: Broker) -> None:
    """Positional, keyword and the message together."""

    @task(broker)
    def f(a: int, b: int, message: Message, *, c: int) -> tuple[int, int, str, int]:
        return a, b, message.uuid, c

    assert f.op(f.generate([1, 2], {"c": 3}, uuid="u")) == (1, 2, "u", 3)


def test_a_task_of_a_builtin(broker: Broker) -> None:
    """A function without a readable signature runs as any other."""
    assert task(broker)(max).op(Message("max", args=(1, 2))) == 2
    assert task(broker)(sys.getrecursionlimit).op(Message("m")) > 0


async def double(number: int) -> int:
    """Asynchronous, and really so."""
    await asyncio.sleep(0)
    return 2 * number


class Doubler:
    """Async, but not a coroutine function."""

    async def __call__(self, number: int) -> int:
        return await double(number)


def hidden(number: int) -> Any:
    """Returns a coroutine, though nothing says so."""
    return double(number)


@pytest.mark.parametrize(
    "function",
    [double, Doubler(), hidden, functools.partial(double)],
    ids=["def", "object", "hidden", "partial"],
)
def test_coroutines_are_run_to_their_end(broker: Broker, function: Callable[..., Any]) -> None:
    """Whatever gives a coroutine is run in an event loop: its result is the task's, never the coroutine itself."""
    made = task(broker)(function)
    assert made.op(made.generate(args=(21,))) == 42


def test_an_async_task_is_awaitable_where_it_is_called(broker: Broker) -> None:
    """Calling keeps the original behaviour: one gets the coroutine."""
    made = task(broker)(double)
    assert asyncio.run(made(4)) == 8


def test_an_exception_in_a_coroutine_is_the_tasks(broker: Broker) -> None:
    """What an async task raises comes out."""

    @task(broker)
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("k")

    with pytest.raises(KeyError):
        fails.op(fails.generate())
