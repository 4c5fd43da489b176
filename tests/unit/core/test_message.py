"""What a message is made of, and what it tells."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from alsek.core import message_views as message_module
from alsek.core.backoff import ExponentialBackoff
from alsek.core.message import Message
from alsek.core.message_fields import DEFAULTS, FIELDS, REQUIRED
from alsek.defaults import MAX_DURATION, MAX_PRIORITY
from alsek.exceptions import ValidationError

#: The call that the guided tour prints, as it prints it.
TOUR: dict[str, Any] = {
    "task_name": "simple_task",
    "queue": "alsek_queue",
    "args": (),
    "kwargs": {},
    "metadata": None,
    "exception_details": None,
    "result_ttl": None,
    "uuid": "67de0e4c-9816-11eb-8cb0-acde48001122",
    "progenitor_uuid": None,
    "retries": 0,
    "timeout": 3600000,
    "created_at": "2021-04-08 05:59:16.424000",
    "updated_at": "2021-04-08 05:59:16.424000",
    "delay": 0,
    "previous_result": None,
    "previous_message_uuid": None,
    "callback_message_data": None,
    "backoff_settings": {
        "algorithm": "ExponentialBackoff",
        "parameters": {
            "base": 4,
            "factor": 10000,
            "floor": 60000,
            "ceiling": 3600000,
            "zero_override": True,
        },
    },
    "mechanism": "thread",
}


def test_the_tours_message() -> None:
    """All that the tour prints of a message is an argument, and gives what the tour says it gives."""
    message = Message(**TOUR)
    assert message.ready_at == 1_617_861_556_424
    assert message.ttr == 0
    assert message.ready
    assert message.descendant_uuids is None
    assert (
        message.summary == "Message(uuid='67de0e4c-9816-11eb-8cb0-acde48001122', queue='alsek_queue', "
        "task='simple_task')"
    )
    assert message.data["created_at"] == message.data["updated_at"] == 1_617_861_556_424


def test_the_repr_is_the_one_printed() -> None:
    """The repr shows every field of the tour's example, in its order, and makes an equal message."""
    message = Message(**TOUR)
    lines = repr(message).splitlines()
    printed = [f"    {name}={value!r}," for name, value in TOUR.items()]
    assert lines[0] == "Message("
    assert lines[1 : len(printed) + 1] == printed
    assert lines[-1] == ")"
    assert eval(repr(message), {"Message": Message}) == message


def test_defaults_are_the_documented_ones() -> None:
    """A message of nothing but a task's name has what the tour shows, and a uuid and times of its own."""
    message, other = Message("simple_task"), Message("simple_task")
    shown = {name: value for name, value in message.data.items() if name in TOUR}
    differ = {"uuid", "created_at", "updated_at", "mechanism"}
    assert {n: v for n, v in shown.items() if n not in differ} == {
        n: v for n, v in TOUR.items() if n not in differ
    }
    assert message.mechanism == "process"
    assert message.mechanism_wish == "any"
    assert message.uuid != other.uuid
    assert message.created_at == message.updated_at


def test_data_makes_an_equal_message() -> None:
    """`Message(**message.data)` is the message again, whatever was set."""
    message = Message(
        "t",
        "q",
        [1, "two"],
        {"three": 3},
        {"m": [1]},
        {"name": "E", "text": "x", "traceback": None},
        5,
        "u1",
        "u0",
        2,
        7,
        8,
        9,
        10,
        "before",
        "u-1",
        Message("c").data,
        ExponentialBackoff(floor=1).settings,
        "thread",
        11,
        "any",
        12,
        13,
        -1,
        unique="ex0:t:7",
        limits="c2:acme,r3/1000:api",
        branches={"failure": {"task_name": "f"}},
        previous_failure={"name": "E", "text": "x", "traceback": None, "uuid": "u-2", "task": "b"},
    )
    assert tuple(message.data) == FIELDS
    assert None not in message.data.values()
    assert Message(**message.data) == message
    assert message.args == (1, "two")


def test_a_payload_leaves_out_what_the_constructor_fills_in() -> None:
    """The defaults of the two are the same: a field that a payload leaves out comes back as it was."""
    plain = Message("t", uuid="u", created_at=5)
    parameters = signature(Message).parameters
    for name, default in DEFAULTS.items():
        if default is not REQUIRED:
            assert parameters[name].default in (default, None)
            assert getattr(plain, name) == default


def test_mechanism_by_hand_is_a_wish() -> None:
    """Naming a mechanism wishes for it; a wish alone sets the mechanism; both may be given."""
    assert Message("t", mechanism="thread").mechanism_wish == "thread"
    assert Message("t", mechanism_wish="thread").mechanism == "thread"
    both = Message("t", mechanism="process", mechanism_wish="any")
    assert (both.mechanism, both.mechanism_wish) == ("process", "any")


def test_ready_at_after_a_delay_and_after_a_retry() -> None:
    """Never retried: created_at + delay. Retried: updated_at + backoff, or + what the retry asked for."""
    assert Message("t", created_at=1_000, delay=50).ready_at == 1_050
    retried = Message("t", created_at=1_000, updated_at=2_000, delay=50, retries=1)
    assert retried.ready_at == 62_000
    retried.retry_delay = 7
    assert retried.ready_at == 2_007


def test_ttr_counts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time to ready is what is left, and never negative."""
    message = Message("t", created_at=1_000, delay=500)
    monkeypatch.setattr(message_module, "now_ms", lambda: 1_200)
    assert (message.ttr, message.ready) == (300, False)
    monkeypatch.setattr(message_module, "now_ms", lambda: 1_500)
    assert (message.ttr, message.ready) == (0, True)


def test_descendants_are_those_nested() -> None:
    """The uuids of all callbacks are told, nearest first."""
    a, b, c = Message("a", uuid="a"), Message("b", uuid="b"), Message("c", uuid="c")
    a.append_callback(b)
    a.append_callback(c)
    assert a.descendant_uuids == ["b", "c"]
    assert b.descendant_uuids is None


def test_a_callback_is_appended_to_this_message_alone() -> None:
    """Appending to one message does not reach into others that were made from the same callbacks."""
    x, y, b, c = (Message("t", uuid=uuid) for uuid in "xybc")
    x.append_callback(y)
    b.append_callback(x)
    b.append_callback(c)
    assert b.descendant_uuids == ["x", "y", "c"]
    assert x.descendant_uuids == ["y"]


def test_a_clone_shares_nothing() -> None:
    """What is done to a clone's arguments is not done to the message's."""
    message = Message("t", args=([1],), kwargs={"k": {"x": 1}})
    clone = message.clone()
    clone.args[0].append(2)
    clone.kwargs["k"]["x"] = 2
    assert message.args == ([1],)
    assert message.kwargs == {"k": {"x": 1}}
    assert clone.uuid == message.uuid
    assert clone.claim is None


def test_messages_can_not_be_hashed() -> None:
    """A message changes, so it is no key of a dict."""
    with pytest.raises(TypeError):
        hash(Message("t"))
    assert Message("t") != "t"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task_name", ""),
        ("task_name", None),
        ("task_name", 7),
        ("args", "abc"),
        ("args", 5),
        ("args", {1: 2}),
        ("kwargs", [1]),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", "1 s"),
        ("timeout", None),
        ("timeout", 1.5),
        ("priority", -1),
        ("priority", 0.5),
        ("priority", None),
        ("delay", -1),
        ("delay", 0.5),
        ("delay", "soon"),
        ("retries", -1),
        ("result_ttl", 0),
        ("result_ttl", -1),
        ("result_ttl", "day"),
        ("ttl", 0),
        ("ttl", -5),
        ("retry_delay", -1),
        ("mechanism", "gpu"),
        ("mechanism", "any"),
        ("mechanism_wish", "gpu"),
        ("created_at", "yesterday"),
        ("created_at", 1.5),
        ("updated_at", [1]),
    ],
)
def test_what_can_not_be_is_refused(field: str, value: Any) -> None:
    """An argument of the wrong kind or out of range is refused when the message is made, with its name and value."""
    with pytest.raises(ValidationError) as caught:
        Message(**{"task_name": "t", field: value})
    assert repr(value) in str(caught.value)


#: Each number that has an upper bound, and that.
BOUNDS = {
    "timeout": MAX_DURATION,
    "priority": MAX_PRIORITY,
    "delay": MAX_DURATION,
    "result_ttl": MAX_DURATION,
    "ttl": MAX_DURATION,
    "retry_delay": MAX_DURATION,
}


@pytest.mark.parametrize(("field", "most"), BOUNDS.items(), ids=BOUNDS)
def test_numbers_end_where_a_store_could_not_hold_them(field: str, most: int) -> None:
    """The greatest is accepted; one more is refused with its name, its value, the bound, and what to do."""
    assert getattr(Message("t", **{field: most}), field) == most
    sentence = rf"^{field}={most + 1} of Message\(.*task='t'\): must be at most {most}.*\. [A-Z]"
    with pytest.raises(ValidationError, match=sentence):
        Message("t", **{field: most + 1})


@pytest.mark.parametrize("field", BOUNDS)
def test_a_number_that_can_not_even_be_shown(field: str) -> None:
    """Python does not turn the greatest integers into text: the sentence says how long they are."""
    with pytest.raises(ValidationError, match=rf"{field}=an integer of \d+ bits of Message"):
        Message("t", **{field: 10**5_000})


def test_any_number_of_retries_will_do() -> None:
    """A count has no upper bound."""
    assert Message("t", retries=10**18).retries == 10**18


def test_the_token_is_that_of_the_claim() -> None:
    """A message that nobody holds has no token."""
    assert Message("t").token is None
