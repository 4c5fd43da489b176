"""A message as bytes, and back."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.backoff import LinearBackoff
from alsek.core.message import Message
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import (
    CorruptMessageError,
    MessageRevokedError,
    SerializationError,
    TaskTimeoutError,
)
from alsek.storage.serialization import JsonSerializer, Serializer, dump

JSON = JsonSerializer()

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def there_and_back(message: Message) -> Message:
    """As a worker sees it."""
    return Message.unpack(message.uuid, message.queue, message.pack(JSON), JSON)


def test_defaults_are_left_out_and_restored() -> None:
    """Only what differs from the defaults travels, and the worker's message has it all."""
    message = Message("t", created_at=5)
    assert json.loads(message.pack(JSON)) == {"task_name": "t", "created_at": 5}
    assert there_and_back(message) == message


def test_names_in_the_store_are_not_in_the_payload() -> None:
    """The uuid and the queue are the store's; but a callback's travel with it."""
    message = Message("t", "q", uuid="u", callback_message_data=Message("c", "cq", uuid="cu").data)
    wire = json.loads(message.pack(JSON))
    assert "uuid" not in wire
    assert "queue" not in wire
    assert wire["callback_message_data"]["uuid"] == "cu"
    assert wire["callback_message_data"]["queue"] == "cq"
    assert "retries" not in wire["callback_message_data"]


@given(
    args=st.lists(values, max_size=3),
    kwargs=st.dictionaries(st.text(), values, max_size=3),
    metadata=values,
    previous_result=values,
    priority=st.integers(0, MAX_PRIORITY),
    delay=st.integers(0, MAX_DURATION),
    retries=st.integers(0),
    retry_delay=st.none() | st.integers(0, MAX_DURATION),
    result_ttl=st.none() | st.integers(1, MAX_DURATION),
    updated_at=st.none() | st.integers(0),
    mechanism=st.sampled_from([None, "thread", "process"]),
    backoff=st.none() | st.integers(0).map(lambda n: LinearBackoff(n).settings),
)
def test_every_field_survives(**fields: Any) -> None:
    """Whatever JSON can carry arrives as it was sent, in a message and in its callback."""
    backoff = fields.pop("backoff")
    message = Message("t", created_at=1, backoff_settings=backoff, **fields)
    message.append_callback(Message("c", created_at=1, backoff_settings=backoff, **fields))
    arrived = there_and_back(message)
    assert arrived == message
    assert arrived.backoff == message.backoff


@pytest.mark.parametrize(
    "odd", [None, False, True, 0, 0.0, -0.0, "", [], {}, "Grüße 🥾", "\ud800", "\0", 10**400]
)
def test_odd_values_survive(odd: Any) -> None:
    """Nothing that is merely odd is taken for a default, dropped or changed, wherever it stands."""
    message = Message("t", args=(odd,), kwargs={"k": odd}, metadata=odd, previous_result=odd, created_at=1)
    arrived = there_and_back(message)
    for got in (arrived.args[0], arrived.kwargs["k"], arrived.metadata, arrived.previous_result):
        assert type(got) is type(odd)
        assert got == odd


def test_not_a_number_and_infinity_survive() -> None:
    """NaN and the infinities are floats like others."""
    arrived = there_and_back(Message("t", args=(math.nan, math.inf, -math.inf)))
    assert math.isnan(arrived.args[0])
    assert arrived.args[1:] == (math.inf, -math.inf)


class Array:
    """As numpy's: its `==` answers with another array, whose truth is an error."""

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class ArraySerializer(Serializer):
    """JSON, and arrays."""

    def forward(self, obj: Any) -> str:
        return json.dumps(
            obj, default=lambda value: {"array": True} if isinstance(value, Array) else {}["no"]
        )

    def reverse(self, obj: bytes) -> Any:
        return json.loads(obj, object_hook=lambda found: Array() if "array" in found else found)


def test_values_with_an_equality_of_their_own() -> None:
    """Arguments and results are never compared with `==` on their way: numpy's arrays would raise."""
    serializer = ArraySerializer()
    message = Message("t", args=(Array(),), kwargs={"k": Array()}, metadata=Array(), previous_result=Array())
    arrived = Message.unpack("u", "q", message.pack(serializer), serializer)
    assert isinstance(arrived.args[0], Array)
    assert isinstance(arrived.previous_result, Array)


def test_a_chain_of_callbacks_survives() -> None:
    """Callbacks nested deep arrive complete, each with its own fields."""
    message = Message("t", uuid="m")
    for number in range(50):
        message.append_callback(Message("c", "q", (number,), uuid=f"c{number}", delay=number))
    arrived = there_and_back(message)
    assert arrived.descendant_uuids == [f"c{number}" for number in range(50)]
    assert arrived == message


def test_callback_data_by_hand_may_be_sparse() -> None:
    """A callback written down by hand needs no more than what names it."""
    by_hand = {"task_name": "c", "queue": "q", "uuid": "u"}
    arrived = there_and_back(Message("t", callback_message_data=by_hand))
    assert arrived.callback_message_data is not None
    assert arrived.callback_message_data["uuid"] == "u"
    assert arrived.callback_message_data["timeout"] == 3_600_000


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b'{"created_at": 1}',
        b'{"task_name": "t", "a_field_of_another_day": 1}',
        b'{"task_name": "t", "uuid": "another"}',
        b'{"task_name": "t", "timeout": "long"}',
        b'{"task_name": "t", "timeout": -5}',
        b'{"task_name": "t", "args": "abc"}',
        b'{"task_name": "t", "kwargs": [1]}',
        b'{"task_name": "t", "mechanism": "gpu"}',
        b'{"task_name": "t", "created_at": "yesterday"}',
        b'{"task_name": "t", "callback_message_data": {"no": "callback"}}',
        b'{"task_name": "t", "callback_message_data": 7}',
        b"[" * 100_000,
    ],
    ids=range(20),
)
def test_corrupt_payloads_are_told_from_messages(payload: bytes) -> None:
    """Bytes that are no message are one kind of error, which says where they were and how they begin."""
    with pytest.raises(CorruptMessageError) as caught:
        Message.unpack("the-uuid", "the-queue", payload, JSON)
    assert "'the-uuid'" in str(caught.value)
    assert "'the-queue'" in str(caught.value)
    assert len(str(caught.value)) < 1_000


class Handle:
    """Can't be serialized."""

    def __repr__(self) -> str:
        return "<Handle>"


class Mute:
    """Can't even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("fields", "where", "shown"),
    [
        ({"args": (1, Handle())}, "args[1]", "<Handle>"),
        ({"kwargs": {"fine": 1, "bad": Handle()}}, "kwargs['bad']", "<Handle>"),
        ({"kwargs": {"deep": {"er": [Handle()]}}}, "kwargs['deep']", "<Handle>"),
        ({"metadata": Handle()}, "metadata", "<Handle>"),
        ({"previous_result": {Ellipsis}}, "previous_result", "{Ellipsis}"),
        ({"args": (Mute(),)}, "args[0]", "Mute"),
        ({"args": (CIRCLE,)}, "args[0]", "list"),
        ({"args": ([object()] * 100_000,)}, "args[0]", "list"),
        ({"args": (len,)}, "args[0]", "len"),
    ],
    ids=range(9),
)
def test_what_can_not_be_serialized_is_named(fields: dict[str, Any], where: str, shown: str) -> None:
    """The error names the task, the argument and its value, briefly, even if the value is broken or huge."""
    with pytest.raises(SerializationError) as caught:
        Message("pay", **fields).pack(JSON)
    text = str(caught.value)
    assert "task 'pay'" in text
    assert where in text
    assert shown in text
    assert len(text) < 1_000


def test_what_can_not_be_serialized_in_a_callback_is_refused_too() -> None:
    """A callback's arguments are checked with those of the message that carries it."""
    message = Message("pay")
    message.append_callback(Message("c", args=(Handle(),)))
    with pytest.raises(SerializationError, match="callback_message_data"):
        message.pack(JSON)


class Picky(Serializer):
    """Raises an error of its own kind."""

    class Refusal(Exception):
        """As pickle.PicklingError: neither a TypeError nor a ValueError."""

    def forward(self, obj: Any) -> bytes:
        raise self.Refusal("never")

    def reverse(self, obj: bytes) -> Any:
        raise self.Refusal("never")


def test_errors_of_any_serializer_are_met() -> None:
    """Whatever a serializer of the user's raises, the caller sees Alsek's error, from it."""
    with pytest.raises(SerializationError) as packing:
        Message("t").pack(Picky())
    assert isinstance(packing.value.__cause__, Picky.Refusal)
    with pytest.raises(CorruptMessageError) as unpacking:
        Message.unpack("u", "q", b"x", Picky())
    assert isinstance(unpacking.value.__cause__, Picky.Refusal)


def test_a_serializer_may_return_text() -> None:
    """Text is stored as UTF-8."""
    assert dump(ArraySerializer(), "ü") == b'"\\u00fc"'
    assert dump(JSON, "ü") == '"ü"'.encode()
    assert repr(JSON) == "JsonSerializer()"


def test_the_submission_is_what_a_store_reads() -> None:
    """The header says what the message says, with its own words for 'none'."""
    message = Message("t", "q", uuid="u", priority=3, delay=4, mechanism="thread", ttl=5, status_ttl=-1)
    submission = message.submission(JSON)
    assert submission._replace(payload=b"")[:9] == ("u", "q", b"", 3, "thread", 4, 5, -1, True)
    assert Message("t").submission(JSON).ttl == 0


class Struck(Serializer):
    """Is struck by the timeout of the task that it runs in."""

    def forward(self, obj: Any) -> bytes:
        raise TaskTimeoutError("now")

    def reverse(self, obj: bytes) -> Any:
        raise TaskTimeoutError("now")


def test_a_timeout_is_no_refusal() -> None:
    """A task's timeout that strikes while a value is serialized is the timeout: the attempt may be retried."""
    with pytest.raises(TaskTimeoutError):
        Message("t").pack(Struck())
    with pytest.raises(TaskTimeoutError):
        dump(Struck(), 1)


@pytest.mark.parametrize("interruption", [TaskTimeoutError, MessageRevokedError])
def test_an_interruption_while_a_message_is_read_is_no_fault_of_its_bytes(
    interruption: type[Exception],
) -> None:
    """A timeout or a revocation that strikes in a task's thread comes out as itself."""

    class Struck(Picky):
        """Struck in the middle."""

        def reverse(self, obj: bytes) -> Any:
            raise interruption

    with pytest.raises(interruption):
        Message.unpack("u", "q", b"x", Struck())
