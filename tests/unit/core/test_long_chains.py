"""Chains of callbacks of any length: made, stored, passed on, shown and copied without recursion."""

from __future__ import annotations

import copy
import json
import pickle
import random
from typing import Any

import msgspec
import pytest

from alsek.core import callbacks
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import task
from alsek.core.trigger import ticks
from alsek.exceptions import CorruptMessageError, SerializationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.serialization import JsonSerializer, Serializer

JSON = JsonSerializer()

#: More than a recursive serializer, copy or repr can take.
MANY = 2_000


class MessagePack(Serializer):
    """As the guide has it."""

    def forward(self, obj: Any) -> bytes:
        return msgspec.msgpack.encode(obj)

    def reverse(self, obj: bytes) -> Any:
        return msgspec.msgpack.decode(obj)


def a_chain(length: int) -> Message:
    """A message followed by so many callbacks, each with an argument of its own."""
    data: dict[str, Any] | None = None
    for number in range(length, 0, -1):
        data = Message("c", args=(number,), uuid=f"c{number}", created_at=1, callback_message_data=data).data
    return Message("t", uuid="c0", created_at=1, callback_message_data=data)


def arrived(message: Message, serializer: Serializer = JSON) -> Message:
    """As a worker sees it."""
    return Message.unpack(message.uuid, message.queue, message.pack(serializer), serializer)


@pytest.mark.parametrize("serializer", [JSON, MessagePack()], ids=repr)
@pytest.mark.parametrize("length", [1, 16, 17, 32, 33, 100, MANY])
def test_a_chain_is_handed_on_to_its_end(length: int, serializer: Serializer) -> None:
    """Each message brings the next, in order, with its own arguments; the last has none."""
    message = arrived(a_chain(length), serializer)
    for number in range(1, length + 1):
        callback = message.callback()
        assert callback is not None
        assert (callback.uuid, list(callback.args)) == (f"c{number}", [number])
        message = arrived(callback, serializer)
    assert message.callback() is None
    assert message.callback_message_data is None


@pytest.mark.parametrize("length", [1, 16, 17, MANY])
def test_the_whole_chain_is_seen_at_any_place(length: int) -> None:
    """The nested data, the uuids, and equality are those of the message that was sent, also from the middle on."""
    message = a_chain(length)
    received = arrived(message)
    assert received.descendant_uuids == [f"c{number}" for number in range(1, length + 1)]
    assert received == message
    following, sent = received.callback(), message.callback()
    assert following is not None
    assert following == sent
    assert arrived(following) == sent
    following.args = ()
    assert following != sent


def test_nested_data_is_as_it_was() -> None:
    """The data in `callback_message_data` is that of the next message, with its own callback nested in it."""
    received = arrived(a_chain(40))
    data, number = received.callback_message_data, 0
    while data is not None:
        number += 1
        assert data == {
            **Message("c", args=[number], uuid=f"c{number}", created_at=1).data,
            "callback_message_data": data["callback_message_data"],
        }
        data = data["callback_message_data"]
    assert number == 40


def test_a_long_chain_is_shown_copied_compared_and_pickled() -> None:
    """No operation on a message recurses into its callbacks."""
    message = a_chain(MANY)
    assert Message(**message.data) == message
    assert repr(message).count("'task_name': 'c'") == MANY
    for copied in (
        message.clone(),
        copy.copy(message),
        copy.deepcopy(message),
        pickle.loads(pickle.dumps(message)),
    ):
        assert copied == message
    copied = message.clone()
    assert copied.callback_message_data is not None
    copied.callback_message_data["args"] = ("changed",)
    assert copied != message
    assert message != a_chain(MANY - 1)


def test_the_repr_of_callbacks_is_that_of_their_data() -> None:
    """What is printed is what the nested dict itself would print."""
    message = arrived(a_chain(40))
    assert f"    callback_message_data={message.callback_message_data!r},\n" in repr(message)


def test_a_change_in_the_nested_data_counts() -> None:
    """A task may change what follows it; what was changed is what is submitted, however long the chain."""
    received = arrived(a_chain(100))
    assert received.callback_message_data is not None
    received.callback_message_data["callback_message_data"]["args"] = ("changed",)
    first = received.callback()
    assert first is not None
    second = arrived(first).callback()
    assert second is not None
    assert second.args == ("changed",)
    received.callback_message_data = None
    assert received.callback() is None


def test_a_hop_neither_parses_nor_makes_the_rest() -> None:
    """What comes after the next few callbacks is passed on as it came: a step's work does not grow."""
    asked: list[int] = []

    class Counting(JsonSerializer):
        """Notes how many bytes it makes of values that are not the message itself."""

        def forward(self, obj: Any) -> bytes:
            asked.append(1)
            return super().forward(obj)

    serializer = Counting()
    message = arrived(a_chain(MANY), serializer)
    asked.clear()
    for _ in range(50):
        callback = message.callback()
        assert callback is not None
        message = arrived(callback, serializer)
    assert len(asked) == 50


def test_the_wire_stays_small() -> None:
    """What a step copies for ten thousand plain callbacks is less than half a megabyte."""
    assert len(a_chain(10_000).pack(JSON)) < 500_000


def test_what_version_0_1_0_stored_is_read() -> None:
    """A payload with all callbacks nested in it, as 0.1.0 wrote it, is run to its end."""
    wire: dict[str, Any] = {}
    for number in range(200, 0, -1):
        wire = {
            "task_name": "step",
            "queue": "alsek_queue",
            "uuid": f"01a2216f-fcdd-723e-b665-{number:012}",
            "created_at": 1795857427410,
            **({"callback_message_data": wire} if wire else {}),
        }
    stored = (
        b'{"task_name":"step","created_at":1795857427410,"callback_message_data":%b}'
        % json.dumps(wire).encode()
    )
    message = Message.unpack("first", "alsek_queue", stored, JSON)
    assert len(message.descendant_uuids or ()) == 200
    seen = 0
    while (callback := message.callback()) is not None:
        seen += 1
        assert callback.uuid.endswith(f"{seen:012}")
        message = arrived(callback)
    assert seen == 200


def test_a_short_chain_is_stored_as_version_0_1_0_reads_it() -> None:
    """Up to sixteen callbacks are nested in the payload, and nothing else is there."""
    wire = json.loads(a_chain(16).pack(JSON))
    assert set(wire) == {"task_name", "created_at", "callback_message_data"}
    depth = 0
    while (wire := wire.get("callback_message_data")) is not None:
        depth += 1
    assert depth == 16


def test_a_chain_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is stored with all that follow it, so there is a limit: it is in the text, and nothing is stored."""
    monkeypatch.setattr(callbacks, "MAX_BLOCKS", 1024 * 1024)
    broker = Broker(MemoryBackend())
    step = task(broker, name="step")(lambda large: large)
    noise = random.Random(1)
    chain = tuple(step.generate(args=(noise.randbytes(4_000).hex(),), submit=False) for _ in range(300))
    with pytest.raises(SerializationError, match=r"chain of callbacks is too long: .*more than 1 MB"):
        step.generate(args=(1,), callback=chain)
    assert broker.backend.messages.queues() == []


def test_a_chain_without_an_end_is_refused() -> None:
    """Data that contains itself is an error, not a walk without an end."""
    data = Message("c").data
    data["callback_message_data"] = data
    with pytest.raises(SerializationError, match="contains itself"):
        Message("t", callback_message_data=data).pack(JSON)


def test_the_callback_that_can_not_be_serialized_is_named() -> None:
    """Also far down the chain: its number, its task and the value."""
    message = a_chain(100)
    message.append_callback(Message("last", args=(object(),)))
    with pytest.raises(
        SerializationError, match=r"callback_message_data of .*callback 100: task 'last': args\[0\]"
    ):
        message.pack(JSON)


@pytest.mark.parametrize("blocks", ["7", '"text"', '["%"]', '["AAAA"]'])
def test_blocks_that_can_not_be_read_are_an_error(blocks: str) -> None:
    """A damaged payload is an error when it is opened, or when its callbacks are looked at; never another chain."""
    wire = (
        '{"task_name":"t","callback_message_data":{"task_name":"c","uuid":"c"},"callback_blocks":'
        + blocks
        + "}"
    )
    with pytest.raises(CorruptMessageError):
        Message.unpack("u", "q", wire.encode(), JSON).callback_message_data  # noqa: B018


def test_nested_and_flat_make_the_same_long_chain() -> None:
    """Both spellings of the tour take a chain of thousands, in time that grows with its length alone."""
    broker = Broker(MemoryBackend())
    step = task(broker, name="step")(lambda: None)
    callback = None
    for _ in range(MANY):
        callback = step.generate(submit=False, callback=callback)
    flat = step.generate(callback=tuple(step.generate(submit=False) for _ in range(MANY)))
    nested = step.generate(callback=callback)
    for message in (flat, nested):
        assert len(message.descendant_uuids or ()) == MANY
        assert broker.sync_from_backend(message) == message


def test_the_ticks_of_a_trigger_have_long_chains() -> None:
    """Each tick's callbacks are new ones, as many as the first one's."""
    first = a_chain(MANY)
    made = ticks(first)
    assert next(made) is first
    second = next(made)
    assert len(second.descendant_uuids or ()) == MANY
    assert set(second.descendant_uuids or ()).isdisjoint(first.descendant_uuids or ())
