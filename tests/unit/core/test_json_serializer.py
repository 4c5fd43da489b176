"""The JSON serializer reads what any JSON writer may have written, and refuses all else with the reason."""

from __future__ import annotations

import json

import pytest

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
