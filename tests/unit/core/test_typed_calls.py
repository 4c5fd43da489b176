"""Calls with the parameters of the function: send(), using() and result()."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from alsek import Broker, Message, ResultStore, task
from alsek.exceptions import ArgumentsError, ValidationError
from alsek.storage.backends.memory import MemoryBackend

backend = MemoryBackend()
broker = Broker(backend)
result_store = ResultStore(backend)


@dataclass
class Point:
    """A place."""

    x: int


@task(broker, queue="typed", result_store=result_store)
def move(point: Point, by: int = 1) -> Point:
    """Moves a point."""
    return Point(point.x + by)


@task(broker, queue="typed")
def drop(text: str) -> str:
    """Has no result store."""
    return text


def _stored(message: Message) -> bool:
    return broker.exists(message)


def test_send_submits_what_generate_does() -> None:
    """The arguments are those of the call, and the options the task's own."""
    message = move.send(Point(1), by=2)
    assert _stored(message)
    assert (message.args, message.kwargs, message.queue) == ((Point(1),), {"by": 2}, "typed")


def test_using_gives_options() -> None:
    """They hold for each message that is sent by it, and for no other."""
    later = move.using(delay=60_000, priority=3, queue="later", metadata={"a": 1})
    for message in (later.send(Point(1)), later.send(point=Point(2))):
        assert _stored(message)
        assert (message.delay, message.priority, message.queue) == (60_000, 3, "later")
    assert move.send(Point(1)).delay == 0
    assert "delay=60000" in repr(later)


@pytest.mark.parametrize("call", [(), (1, 2, 3)])
def test_wrong_arguments_are_refused(call: tuple[Any, ...]) -> None:
    """With a TypeError that is an AlsekError; nothing is submitted."""
    before = backend.count("queues:typed")
    anything: Any = move
    for send in (anything.send, anything.using(priority=1).send):
        with pytest.raises(ArgumentsError, match="task 'move'"):
            send(*call)
        with pytest.raises(TypeError):
            send(*call, copies=2)
    assert backend.count("queues:typed") == before


def test_an_option_that_there_is_not_is_refused_at_once() -> None:
    """With the name of one that is similar."""
    anything: Any = move
    with pytest.raises(
        ArgumentsError, match=r"using\(\) of task 'move' does not take 'dealy' \(did you mean 'delay'"
    ):
        anything.using(dealy=1)


def test_a_deferred_task_does_not_send() -> None:
    """As with generate()."""
    assert not _stored(move.defer().send(Point(1)))


def test_a_result_is_built_by_the_hint() -> None:
    """And deleted, unless `keep`."""
    message = move.send(Point(1))
    result_store.set(message, Point(2))
    assert move.result(message, keep=True) == Point(2)
    assert result_store.get(message, keep=True) == {"x": 2}
    assert result_store.get(message, keep=True, type=Point) == Point(2)
    assert result_store.get(message, timeout=1_000, keep=True, type=Point | None) == Point(2)
    assert result_store.get(message, keep=True, with_metadata=True, type=Point)["result"] == Point(2)
    assert move.result(message, timeout=1_000) == Point(2)
    with pytest.raises(KeyError):
        move.result(message)


def test_a_result_that_does_not_fit_stays() -> None:
    """The error names the field."""
    message = move.send(Point(1))
    result_store.set(message, {"y": 2})
    for timeout in (None, 1_000):
        with pytest.raises(ValidationError, match=r"does not fit its type: result\.x is missing"):
            move.result(message, timeout=timeout)
    assert result_store.get(message) == {"y": 2}


def test_a_task_without_a_result_store_says_so() -> None:
    """And what to do."""
    with pytest.raises(ValidationError, match="task 'drop' keeps no results: give result_store="):
        drop.result(drop.send("a"))
