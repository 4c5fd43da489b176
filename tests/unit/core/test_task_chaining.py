"""Deferring, and callbacks."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import Task, task
from alsek.exceptions import ValidationError
from tests.unit.core.fakes import Elsewhere


@pytest.fixture
def add(broker: Broker) -> Task[[], None]:
    """Any task."""
    return task(broker, name="add")(lambda *args: None)


def nested(data: dict[str, Any] | None) -> Any:
    """A chain of callbacks without what differs from message to message."""
    if data is None:
        return None
    own = {name: value for name, value in data.items() if name not in ("uuid", "created_at", "updated_at")}
    return {**own, "callback_message_data": nested(data["callback_message_data"])}


def test_one_defer_is_one_generate(add: Task[[], None], broker: Broker) -> None:
    """The generate() after a defer() does not submit; the one after that does."""
    deferred = add.defer()
    assert deferred.deferred
    assert not broker.exists(deferred.generate())
    assert not deferred.deferred
    assert broker.exists(deferred.generate())


def test_nested_defers_are_counted(add: Task[[], None], broker: Broker) -> None:
    """Neither the outer nor the inner message is submitted; the next one is."""
    outer = add.defer().generate(callback=add.defer().generate(callback=add.defer().generate()))
    assert broker.backend.count("queues:alsek_queue") == 0
    assert outer.descendant_uuids is not None
    assert len(outer.descendant_uuids) == 2
    assert broker.exists(add.generate())


def test_a_defer_can_be_taken_back(add: Task[[], None], broker: Broker) -> None:
    """After cancel_defer() it submits."""
    taken_back = add.defer().defer().cancel_defer()
    assert not taken_back.deferred
    assert broker.exists(taken_back.generate())


def test_a_forgotten_defer_concerns_nobody(add: Task[[], None], broker: Broker) -> None:
    """An error between defer() and generate() leaves the task as it was, in this thread and any other."""
    with pytest.raises(ValueError, match="x"):
        add.defer().generate(args=(int("x"),))
    add.defer()
    assert not add.deferred
    assert broker.exists(add.generate())
    assert broker.exists(Elsewhere(add.generate).value())


def test_a_refused_call_uses_up_its_defer(add: Task[[], None]) -> None:
    """A generate() that raises is the one for which defer() stood."""
    deferred = add.defer()
    with pytest.raises(ValidationError):
        deferred.generate(priority=-1)
    assert not deferred.deferred


def test_a_deferred_task_is_the_task(broker: Broker) -> None:
    """It is of the same class, equal to it, and what is changed in one is changed in the other."""

    class Counting(Task[..., Any]):
        """Keeps something of its own."""

        made = 0

        def generate(self, *args: Any, **kwargs: Any) -> Message:
            self.made += 1
            return super().generate(*args, **kwargs)

    add = task(broker, name="add", base_task=Counting)(lambda: 99)
    deferred = add.defer()
    assert type(deferred) is Counting
    assert deferred == add
    assert deferred != task(broker, name="add", base_task=Counting)(lambda: 99)
    assert {add: 1}[deferred] == 1
    assert (deferred.name, deferred.function, deferred()) == (add.name, add.function, 99)
    assert repr(deferred) == repr(add)
    deferred.generate()
    add.queue = "elsewhere"
    assert (add.made, deferred.queue) == (1, "elsewhere")


def test_a_callback_waits_in_its_parent(add: Task[[], None], broker: Broker) -> None:
    """The callback is not submitted; all of it is in the parent."""
    callback = add.generate(submit=False, delay=5, metadata="m")
    message = add.generate(callback=callback)
    assert message.callback_message_data == callback.data
    assert message.descendant_uuids == [callback.uuid]
    assert not broker.exists(callback)
    assert broker.sync_from_backend(message).callback_message_data == callback.data


def test_a_tuple_is_the_same_as_nesting(add: Task[[], None]) -> None:
    """Both spellings of the tour make equal messages."""

    def one(number: int, **more: Any) -> Message:
        return add.defer().generate(args=(number,), **more)

    deep = add.generate(callback=one(1, callback=one(2, callback=one(3, callback=one(4)))))
    flat = add.generate(callback=(one(1), one(2), one(3), one(4)))
    assert nested(deep.data) == nested(flat.data)


def test_a_tuple_updates_the_originals(add: Task[[], None]) -> None:
    """Each message of the tuple carries those after it."""
    a, b, c = (add.generate(submit=False) for _ in range(3))
    message = add.generate(callback=(a, b, c))
    assert message.descendant_uuids == [a.uuid, b.uuid, c.uuid]
    assert a.descendant_uuids == [b.uuid, c.uuid]
    assert b.descendant_uuids == [c.uuid]
    assert c.descendant_uuids is None


def test_a_tuple_of_messages_with_callbacks_of_their_own(add: Task[[], None]) -> None:
    """What a message of the tuple brings along runs before the next one of the tuple."""
    a1 = add.generate(submit=False)
    a = add.generate(submit=False, callback=a1)
    b = add.generate(submit=False)
    assert add.generate(callback=(a, b)).descendant_uuids == [a.uuid, a1.uuid, b.uuid]
    assert a1.descendant_uuids is None


def test_an_empty_tuple_is_no_callback(add: Task[[], None]) -> None:
    """No callbacks are no callbacks."""
    assert add.generate(callback=()).callback_message_data is None


def test_a_message_is_a_callback_once(add: Task[[], None], broker: Broker) -> None:
    """A store would skip the second of two callbacks with one uuid: it is refused, and nothing is changed."""
    a, b = add.generate(submit=False), add.generate(submit=False)
    with pytest.raises(ValidationError, match="only once"):
        add.generate(callback=(a, b, a))
    assert a.descendant_uuids is None
    add.generate(callback=(a, b))
    with pytest.raises(ValidationError, match="only once"):
        add.generate(callback=(a, b))
    assert broker.backend.count("queues:alsek_queue") == 1
