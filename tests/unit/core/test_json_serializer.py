"""The JSON serializer reads what any JSON writer may have written, and refuses all else with the reason."""

from __future__ import annotations

import json
import sys

import pytest

from alsek.storage import serialization
from alsek.storage.serialization import JsonSerializer


@pytest.mark.parametrize("text", ['{"a":[1,2]}', ' {"a":[1,2]}', '{"a":[1,2]}\n', '\t{ "a" : [1, 2] } \r\n'])
def test_white_space_around_a_value_changes_nothing(text: str) -> None:
    assert JsonSerializer().reverse(text.encode()) == {"a": [1, 2]}


@pytest.mark.parametrize("text", ["", " ", "{", "1 2", "[1],", "\ufeff1", "nothing"])
def test_what_is_not_one_value_is_refused_in_the_words_of_the_standard_library(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as expected:
        json.JSONDecoder().decode(text)
    with pytest.raises(json.JSONDecodeError) as refusal:
        JsonSerializer().reverse(text.encode())
    assert str(refusal.value) == str(expected.value)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython has this encoder")
def test_one_encoder_serves_all_values() -> None:
    """The standard library's C encoder is made once, and writes what the library's own call writes."""
    assert serialization._encode != serialization._ENCODER.encode
    for value in ("é\ud800", 1.5, float("nan"), None, {"a": [1, {"b": '"\n'}], 2: True}, []):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        assert JsonSerializer().forward(value) == text.encode("utf-8", "surrogatepass")


def test_a_circle_is_told_as_one() -> None:
    """A value that has itself in it is refused in the words of the standard library."""
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular reference"):
        JsonSerializer().forward(circle)
