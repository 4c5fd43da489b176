"""Deferring, and callbacks."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import Task, task
from alsek.exceptions import ValidationError
from tests.unit.core.stand_ins import Elsewhere


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
    assert add.defer() is add
    assert add.deferred
    assert not broker.exists(add.generate())
    assert not add.deferred
    assert broker.exists(add.generate())


def test_nested_defers_are_counted(add: Task[[], None], broker: Broker) -> None:
    """Neither the outer nor the inner message is submitted; the next one is."""
    outer = add.defer().generate(callback=add.defer().generate(callback=add.defer().generate()))
    assert broker.backend.count("queues:alsek_queue") == 0
    assert outer.descendant_uuids is not None
    assert len(outer.descendant_uuids) == 2
    assert broker.exists(add.generate())


def test_a_defer_can_be_taken_back(add: Task[[], None], broker: Broker) -> None:
    """cancel_defer() forgets all that are pending."""
    add.defer().defer().cancel_defer()
    assert broker.exists(add.generate())


def test_a_defer_concerns_one_task(add: Task[[], None], broker: Broker) -> None:
    """Deferring one task leaves another alone."""
    other = task(broker)(lambda: None)
    add.defer()
    assert broker.exists(other.generate())


def test_a_defer_concerns_one_thread(add: Task[[], None], broker: Broker) -> None:
    """What one thread defers does not keep back what another generates."""
    add.defer()
    message = Elsewhere(add.generate).value()
    assert broker.exists(message)
    assert add.deferred
    both = threading.Barrier(2)

    def keep_back() -> bool:
        add.defer()
        both.wait()
        return broker.exists(add.generate())

    def put() -> bool:
        both.wait()
        return broker.exists(add.generate())

    one, two = Elsewhere(keep_back), Elsewhere(put)
    assert (one.value(), two.value()) == (False, True)


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
