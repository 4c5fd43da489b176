"""Unique keys and limits as a task has them, and the texts that they become for one call."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import wraps
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from alsek.core.broker import Broker
from alsek.core.keys.canonical import text_of_arguments, text_of_value
from alsek.core.keys.limits import Concurrency, Rate, limits_of
from alsek.core.keys.template import template
from alsek.core.keys.texts import MOST_CHARACTERS, digest, key_of_task, readable, recorded
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.task import Task, task
from alsek.exceptions import ArgumentsError, SecondsWarning, SerializationError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Limit, UniqueKey
from alsek.storage.backends.records.keys import limits_of_text
from alsek.storage.compression import Compressed
from alsek.storage.serialization import JsonSerializer, Serializer

JSON = JsonSerializer()


class Colour(enum.Enum):
    """A colour."""

    RED = "r"


@dataclass
class Order:
    """An order."""

    number: int
    total: Decimal


class Repr(Serializer):
    """Takes anything, and writes it as Python does."""

    def forward(self, obj: Any) -> str:
        """`obj` as text."""
        return repr(obj)

    def reverse(self, obj: bytes) -> Any:
        """Not needed."""
        raise NotImplementedError


def key_of(
    broker: Broker, unique: Unique, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> str | None:
    """The key of a call of a task of this function, without the name of the task."""
    made = task(broker, name="t", unique=unique)(function)
    message = made.generate(args=args, kwargs=kwargs, submit=False)
    return None if message.unique is None else UniqueKey.of_text(message.unique).key.removeprefix("t:")


def limit_keys(message: Message) -> list[str]:
    """The ids of a message's limits."""
    return [limit.id for limit in limits_of_text(message.limits or "")]


@pytest.mark.parametrize(
    ("key", "args", "kwargs", "text"),
    [
        ("{customer}", (7,), {}, "7"),
        ("{customer}", (), {"customer": 7}, "7"),
        ("{customer}-{force}", (7,), {}, "7-False"),
        ("c/{customer}/{customer}", (7,), {}, "c/7/7"),
        ("{{{customer}}}", (7,), {}, "{7}"),
        ("", (7,), {}, ""),
        ("fixed", (7,), {"force": True}, "fixed"),
        (None, (7,), {}, '{"customer":7\\x2C"force":false}'),
        (None, (), {"force": False, "customer": 7}, '{"customer":7\\x2C"force":false}'),
    ],
)
def test_a_template_is_filled_with_the_arguments_of_the_call(
    broker: Broker, key: str | None, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    """By position, by name, or by default: the same call has the same key."""

    def sync(customer: int, force: bool = False) -> None: ...

    assert key_of(broker, Unique(key), sync, *args, **kwargs) == text


def test_what_any_function_is_called_with(broker: Broker) -> None:
    """More arguments than parameters count as well; the message that Alsek fills in does not."""

    def loose(a: int, *rest: int, **named: int) -> None: ...

    assert key_of(broker, Unique(), loose, 1, 2, 3, b=4) == '{"*":[2\\x2C3]\\x2C"a":1\\x2C"b":4}'
    assert key_of(broker, Unique("{b}"), loose, 1, b=4) == "4"
    with pytest.raises(ArgumentsError, match=r"task 't': key='\{b\}': the call has no argument 'b'"):
        key_of(broker, Unique("{b}"), loose, 1)

    def with_message(n: int, message: Message) -> None: ...

    assert key_of(broker, Unique(), with_message, 1) == '{"n":1}'

    def own_message(message: str) -> None: ...

    assert key_of(broker, Unique("{message}"), own_message, "hello") == "hello"

    def inner(n: int) -> None: ...

    @wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> None: ...

    assert key_of(broker, Unique("{n}"), outer, 3) == "3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        (7, "7"),
        (1.5, "1.5"),
        (None, "None"),
        (True, "True"),
        (Colour.RED, "r"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Decimal("9.90"), "9.90"),
        (date(2027, 1, 31), "2027-01-31"),
        (datetime(2027, 1, 31, tzinfo=UTC), "2027-01-31T00:00:00+00:00"),
        (time(3), "03:00:00"),
        (timedelta(days=1), "1 day, 0:00:00"),
        (PurePosixPath("/tmp/x"), "/tmp/x"),
        ([2, "b"], '[2,"b"]'),
        ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
        ({"z", "a", "m"}, '{"$alsek":"set","value":["a","m","z"]}'),
        ({(1, 2): "x"}, '{"$alsek":"dict","value":[[[1,2],"x"]]}'),
        (Order(7, Decimal(1)), '{"number":7,"total":{"$alsek":"decimal","value":"1"}}'),
        (b"x", '{"$alsek":"bytes","value":"eA=="}'),
    ],
)
def test_values_in_keys(value: Any, text: str) -> None:
    """Plain values are as Python writes them; others are JSON, whatever the order in dicts and sets."""
    assert text_of_value(value, JSON) == text


def test_values_that_json_cannot_say() -> None:
    """The serializer writes them, whatever wraps it; what nobody can write is refused."""
    unknown = complex(1, 2)
    assert text_of_value(unknown, Repr()) == digest(b"(1+2j)")
    assert text_of_value(unknown, Compressed(Repr())) == digest(b"(1+2j)")
    with pytest.raises(SerializationError, match="complex"):
        text_of_value(unknown, JSON)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(SerializationError):
        text_of_value(loop, JSON)


class NoText(int):
    """A number that can't be written."""

    def __str__(self) -> str:
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("value", "reason"), [(10**5_000, "digits"), (NoText(7), "not me")], ids=["long", "own"]
)
def test_values_that_python_does_not_write(broker: Broker, value: int, reason: str) -> None:
    """The call is refused as for any value that can't be serialized, and nothing is submitted."""

    @task(broker, unique=Unique("{n}"), limits=Concurrency(1, "{n}"))
    def op(n: int) -> None: ...

    choices: list[dict[str, Any]] = [{"unique": False}, {"limits": False}]
    for options in choices:
        with pytest.raises(SerializationError, match=rf"can't be written in a key: .*{reason}"):
            op.generate(args=(value,), **options)
    assert not broker.backend.messages.queues()


def test_all_arguments_of_another_serializer_are_a_digest() -> None:
    """What a store can't read in the payload is not in the key either."""
    assert text_of_arguments({"card": "4111"}, JSON) == '{"card":"4111"}'
    assert text_of_arguments({"card": "4111"}, Compressed(JSON)) == digest('{"card":"4111"}')


def test_keys_in_records_have_no_separators() -> None:
    """They are escaped, so that different texts stay different, and people see the text that was meant."""
    text = "50%|a;b,c\n\x00\x7f ü:\\ \ud800"
    assert recorded(text) == "50\\x25\\x7Ca\\x3Bb\\x2Cc\\x0A\\x00\\x7F ü:\\x5C \\uD800"
    assert readable(recorded(text)) == text
    assert recorded("\\x2C") != recorded(",")
    assert key_of_task("a:b", "c") == "a\\x3Ab:c"
    assert key_of_task("a", "b:c") == "a:b:c"


def test_a_long_key_is_cut_off_and_ends_in_its_digest() -> None:
    """Not within an escaped character; and keys that begin alike stay different."""
    fits = "x" * MOST_CHARACTERS
    assert recorded(fits) == fits
    one, other = recorded("x" * 98 + "," + "a" * 200), recorded("x" * 98 + "," + "b" * 200)
    assert one != other
    assert one.startswith("x" * 98 + "~")
    assert len(one) <= MOST_CHARACTERS


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("{a.b}", "{a.b} is no plain name: write {name} for an argument"),
        ("{a[0]}", r"{a\[0\]} is no plain name"),
        ("{a!r}", "{a!r} is no plain name"),
        ("{a:03}", "{a:03} is no plain name"),
        ("{}", "{} is no plain name"),
        ("{0}", r"\{0\} is no plain name"),
        ("{a", "expected '}' before end of string: write"),
        ("a}", "Single '}' encountered in format string: write"),
        (7, "key=7 of .*: must be None or text"),
    ],
)
@pytest.mark.parametrize("kind", [Unique, lambda key: Concurrency(1, key), lambda key: Rate(1, 1_000, key)])
def test_keys_that_are_refused(kind: Callable[[Any], object], key: Any, sentence: str) -> None:
    """Only names may be in braces: what else could be there would hide which argument counts."""
    with pytest.raises(ValidationError, match=sentence):
        kind(key)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("{custmer}", r"{custmer}: the function has no parameter 'custmer' \(did you mean 'customer'\?\)"),
        ("{message}", "{message}: that is the message itself"),
        ("{rest}", "{rest}: that stands for any number"),
    ],
)
def test_an_argument_that_there_is_not_is_refused_at_decoration(
    broker: Broker, key: str, sentence: str
) -> None:
    """For unique keys and limits; those of a call are refused in the call."""

    def sync(customer: int, message: Message, *rest: int) -> None: ...

    for options in ({"unique": Unique(key)}, {"limits": [Concurrency(2, key=key)]}):
        with pytest.raises(ValidationError, match=f"task 'sync': key='{key}': {sentence}"):
            task(broker, **options)(sync)  # type: ignore[call-overload]
    made = task(broker)(sync)
    with pytest.raises(ValidationError, match=sentence):
        made.generate(args=(7,), unique=Unique(key))


def test_a_function_whose_parameters_are_unknown(broker: Broker) -> None:
    """It can't have arguments in its keys; all of them together, or the task as a whole, it can."""
    assert key_of(broker, Unique(""), max, 1, 2) == ""
    assert key_of(broker, Unique(), max, 1, 2) == '{"*":[1\\x2C2]}'
    with pytest.raises(ValidationError, match="the parameters of the function can't be read"):
        key_of(broker, Unique("{n}"), max, 1, 2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Unique("", until="claimed"), "until='claimed' of Unique.*: must be 'ended' or 'started'"),  # type: ignore[arg-type]
        (lambda: Unique("", conflict="skip"), "must be 'existing' or 'raise' or 'replace'"),  # type: ignore[arg-type]
        (lambda: Unique("", window=0), "window=0 of Unique.*: must be None or an integer >= 1"),
        (lambda: Unique("", window="1s"), "window='1s'"),  # type: ignore[arg-type]
        (lambda: Unique("", window=10**14), "window=.*: must be at most"),
        (lambda: Concurrency(0), "amount=0 of Concurrency.*: must be an integer >= 1"),
        (lambda: Concurrency(True), "amount=True"),
        (lambda: Concurrency(2**53), "must be at most"),
        (lambda: Rate(1, 0), "per=0 of Rate.*: must be an integer >= 1"),
        (lambda: Rate(1, 10**14), "per=.*: must be at most"),
        (lambda: Rate(1.5, 10), "amount=1.5"),  # type: ignore[arg-type]
    ],
)
def test_numbers_that_are_refused(make: Callable[[], object], sentence: str) -> None:
    """Each with a sentence that says what is allowed."""
    with pytest.raises(ValidationError, match=sentence):
        make()


def test_windows_are_durations() -> None:
    """A timedelta will do, and what looks like seconds is warned of."""
    assert Unique("", window=timedelta(minutes=1)).window == 60_000
    assert Rate(1, timedelta(seconds=1)).per == 1_000
    with pytest.warns(SecondsWarning, match="window=60 of Unique"):
        Unique("seconds", window=60)
    with pytest.warns(SecondsWarning, match="per=60 of Rate"):
        Rate(1, per=60, key="seconds")


def test_limits_are_shared_by_key_and_otherwise_of_the_task(broker: Broker) -> None:
    """Whatever the task, one text is one limit; without a key it is the task as a whole."""

    def send(tenant: str) -> None: ...

    shared = [Rate(100, per=60_000, key="mail-api"), Concurrency(2, key="{tenant}")]
    one = task(broker, name="one", limits=shared)(send)
    other = task(broker, name="other", limits=shared)(send)
    for made in (one, other):
        message = made.generate(args=("a,b",), submit=False)
        assert message.limits == "c2:a\\x2Cb,r100/60000:mail-api"
    for alone in (Concurrency(2), Concurrency(2, ""), [Concurrency(2)]):
        message = one.generate(args=("x",), submit=False, limits=alone)
        assert limit_keys(message) == ["c:task:one"]
    both = one.generate(args=("x",), submit=False, limits=[Rate(1, 1_000), Concurrency(2)])
    assert limit_keys(both) == ["c:task:one", "r:task:one"]


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (7, r"limits=7: must be a list of alsek.Concurrency and alsek.Rate"),
        ("api", "must be a list"),
        ([2], r"limits=\[2\]: must be an alsek.Concurrency or an alsek.Rate"),
        (
            [Concurrency(1), Concurrency(2, "")],
            "two of one kind have the same key; give them keys that differ",
        ),
        ([Rate(1, 1_000, "x"), Rate(9, 60_000, "x")], "two of one kind have the same key"),
    ],
)
def test_limits_that_are_refused(broker: Broker, limits: Any, sentence: str) -> None:
    """At decoration."""
    with pytest.raises(ValidationError, match=f"task 'n': .*{sentence}"):
        task(broker, name="n", limits=limits)(lambda: None)
    assert limits_of(Concurrency(1), "here") == (Concurrency(1),)


def test_two_keys_that_a_call_makes_one(broker: Broker) -> None:
    """The same numbers are one limit; other numbers are refused, since only one of them could hold."""

    def move(source: str, target: str) -> None: ...

    same = task(broker, limits=[Concurrency(1, "{source}"), Concurrency(1, "{target}")])(move)
    assert limit_keys(same.generate(args=("a", "a"), submit=False)) == ["c:a"]
    assert limit_keys(same.generate(args=("b", "a"), submit=False)) == ["c:a", "c:b"]
    other = task(broker, limits=[Concurrency(1, "{source}"), Concurrency(2, "{target}")])(move)
    with pytest.raises(ValidationError, match="two of its limits have the same key, 'a', and other numbers"):
        other.generate(args=("a", "a"))


@pytest.mark.parametrize(
    ("unique", "sentence"),
    [
        ("{n}", r"unique='\{n\}': must be an alsek.Unique, None or False: write unique=Unique\('\{n\}'\)"),
        (True, r"unique=True: .*: write unique=Unique\(''\) for the task as a whole"),
        (7, "unique=7: must be an alsek.Unique"),
    ],
)
def test_a_unique_that_is_none(broker: Broker, unique: Any, sentence: str) -> None:
    """The error says what to write."""
    with pytest.raises(ValidationError, match=sentence):
        task(broker, unique=unique)(lambda n: None)


def test_an_overridden_op_takes_any_arguments(broker: Broker) -> None:
    """Then a key may still name those of the function; a call without them is refused."""

    class Own(Task[..., Any]):
        def op(self, message: Message) -> Any:
            return None

    made = Own(lambda n: None, broker, name="own", unique=Unique("{n}"))
    assert made.generate(kwargs={"n": 1, "more": 2}, submit=False).unique == "ex0:own:1"
    with pytest.raises(ArgumentsError, match="the call has no argument 'n'"):
        made.generate(kwargs={"more": 2})


def test_templates_are_read_once() -> None:
    """Filling one costs no second look at its braces."""
    assert template("{a}-{b}-{a}") is template("{a}-{b}-{a}")
    assert template("{a}-{b}-{a}").names == ("a", "b")


def test_the_submission_has_the_records(backend: MemoryBackend) -> None:
    """A store gets both as records; a plain message has neither, and its payload has no word of them."""
    message = Message("t", unique="sp500:t:7", limits="c2:acme,r3/1000:api")
    submission = message.submission(backend.serializer)
    assert submission.unique == UniqueKey("t:7", "started", "replace", 500)
    assert submission.limits == (Limit("acme", 2), Limit("api", 3, 1_000))
    plain = Message("t").submission(backend.serializer)
    assert (plain.unique, plain.limits) == (None, ())
    assert b"unique" not in plain.payload
    assert b"limits" not in plain.payload


@pytest.mark.parametrize(
    "fields",
    [
        {"unique": "x"},
        {"unique": 7},
        {"unique": "ex0:50%"},
        {"limits": "c:x"},
        {"limits": ()},
        {"limits": "c1:a;b"},
    ],
)
def test_texts_that_are_no_keys(fields: dict[str, Any]) -> None:
    """A message with a damaged key can't be made."""
    with pytest.raises(ValidationError, match="must be None, or the text that a task's generate"):
        Message("t", **fields)
