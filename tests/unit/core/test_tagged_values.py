"""Values that JSON has no form for come back as they were."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.exceptions import SerializationError
from alsek.storage.serialization import JsonSerializer, dump

SERIALIZER = JsonSerializer()


def _there_and_back(value: Any) -> Any:
    return SERIALIZER.reverse(SERIALIZER.forward(value))


#: Keys of dicts that stay what they are: JSON makes text of numbers.
_KEYS = st.one_of(st.text(max_size=8), st.just("$alsek"), st.just("value"), st.uuids(), st.dates())
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.just("$alsek"),
    st.datetimes(timezones=st.none() | st.just(UTC) | st.just(ZoneInfo("Europe/Berlin"))),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.binary(max_size=8),
    st.frozensets(st.integers() | st.text(max_size=3), max_size=3),
    st.sets(st.uuids() | st.dates(), max_size=3),
    st.just(Path("/a/b c")),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    """Whatever is nested in whatever, also dicts that look like tags."""
    back = _there_and_back(value)
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset, dict, list))


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=0),
        datetime(2027, 1, 31, tzinfo=UTC),
        time(1, 2, 3, 4, tzinfo=UTC),
        timedelta(days=-1, microseconds=3),
        Decimal("9.90"),
        Decimal("-Infinity"),
        {(1, "a"): {b"x"}},
        {"$alsek": "set", "value": [1]},
        {"$alsek": {"$alsek": 1}},
        {frozenset({(1, 2), "a"})},
    ],
)
def test_these_come_back_with_their_types(value: Any) -> None:
    """Time zones, folds, trailing zeros, tuples in sets and as keys."""
    back = _there_and_back(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, (set, dict))
    if isinstance(value, datetime):
        assert (back.fold, str(back.tzinfo), back.utcoffset()) == (
            value.fold,
            str(value.tzinfo),
            value.utcoffset(),
        )


class _Colour(enum.Enum):
    RED = "red"
    BIG = (1, 2)


class _Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class _Order:
    number: int
    due: date
    items: list[_Colour]


class _Model:
    """Has what pydantic's models have."""

    def model_dump(self) -> dict[str, Any]:
        return {"at": date(2027, 1, 1), "name": "x"}


def test_objects_travel_as_data() -> None:
    """Dataclasses and models as dicts, enums as their values; what is in them is tagged."""
    assert _there_and_back(_Order(7, date(2027, 1, 31), [_Colour.RED, _Colour.BIG])) == {
        "number": 7,
        "due": date(2027, 1, 31),
        "items": ["red", [1, 2]],
    }
    assert _there_and_back([_Level.LOW, _Colour.RED, _Model()]) == [
        1,
        "red",
        {"at": date(2027, 1, 1), "name": "x"},
    ]


def test_plain_values_are_written_as_ever() -> None:
    """Their bytes are those of plain JSON, which other versions read."""
    value = {"a": [1, 2.5, None, True, "é"], "1": {"b": []}}
    assert SERIALIZER.forward(value) == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert _there_and_back({1: 2, None: (3,)}) == {"1": 2, "null": [3]}


class _Unknown:
    pass


@pytest.mark.parametrize("value", [_Unknown(), [_Unknown], {"a": {1, 2}, "b": object()}, {_Unknown(): 1}])
def test_what_has_no_form_is_refused(value: Any) -> None:
    """With the name of its type."""
    with pytest.raises(SerializationError, match=r"_Unknown|object|type"):
        dump(SERIALIZER, value)


def test_a_value_that_contains_itself_is_refused() -> None:
    """With a date in it, too."""
    loop: list[Any] = [date(2027, 1, 1)]
    loop.append(loop)
    with pytest.raises(SerializationError):
        dump(SERIALIZER, loop)


@pytest.mark.parametrize(
    "wire",
    [
        b'{"$alsek":"moon","value":1}',
        b'{"$alsek":["a"],"value":1}',
        b'{"$alsek":"datetime","value":"soon"}',
        b'{"$alsek":"datetime","value":"2027-01-01T00:00:00\\nNo/Where\\n0"}',
        b'{"$alsek":"uuid","value":7}',
        b'{"$alsek":"decimal","value":"x"}',
        b'{"$alsek":"bytes","value":"%"}',
        b'{"$alsek":"dict","value":[1]}',
        b'{"$alsek":"set","value":[{}]}',
        b'{"$alsek":"timedelta","value":[1e99,0,0]}',
    ],
)
def test_a_tag_that_cannot_be_read_is_an_error(wire: bytes) -> None:
    """A ValueError that says which; never something else in its place."""
    with pytest.raises(ValueError, match="tagged as"):
        SERIALIZER.reverse(wire)


def test_a_dict_of_an_older_version_is_no_tag() -> None:
    """Only a dict with exactly the two keys is one."""
    assert SERIALIZER.reverse(b'{"$alsek":1}') == {"$alsek": 1}
    assert SERIALIZER.reverse(b'{"$alsek":"set","value":[],"x":1}') == {"$alsek": "set", "value": [], "x": 1}
