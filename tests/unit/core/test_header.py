"""The declarations of a message's header: what follows from them, and that the documentation shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alsek.storage.backends import header
from alsek.storage.backends.header import LINE, TAIL, merged, table
from alsek.storage.backends.records import Claimed, DeadLetter, Retried, Stored, Submission

KEYS_PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


def test_the_documentation_has_the_declared_table() -> None:
    """docs/keys.md shows each field as it is declared."""
    assert table() in KEYS_PAGE.read_text()


def test_no_two_fields_have_one_name_or_key() -> None:
    """Names and keys are unique, and a key is of letters and digits, as the stores assume."""
    names = [field.name for field in (*LINE, *TAIL)]
    keys = [field.key for field in TAIL]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)
    assert all(key.isalnum() and key.isascii() for key in keys)
    assert not any(field.key for field in LINE)


@pytest.mark.parametrize(
    ("tail", "changes", "result"),
    [
        ("", "", ""),
        ("", ";r=1", ";r=1"),
        (";r=1;x=new", ";r=2", ";x=new;r=2"),
        (";r=1;d=5;x=new", ";r=2;d", ";x=new;r=2"),
        (";rr=1;r=2", ";r", ";rr=1"),
        (";x=a=b", ";r=1", ";x=a=b;r=1"),
    ],
)
def test_changes_replace_what_they_name(tail: str, changes: str, result: str) -> None:
    """A change sets a field or takes it out; what is not named stays as it is, known or not."""
    assert merged(tail, changes) == result


@pytest.mark.parametrize("value", ["", "a;b|c%d\ne=f", "%0A%25", "é\N{SNOWMAN}", "x" * 20_000])
def test_any_text_goes_through_a_tail(value: str) -> None:
    """What would end a field, the tail or the line is escaped; what is read is what was written."""
    (field,) = (field for field in TAIL if field.name == "last_error")
    text = header._to_text(field, value.encode())
    assert not set(text) & {";", "|", "\n"}
    assert header._from_text(field, text) == value.encode()


def test_records_have_the_attempt_state() -> None:
    """What a step writes of a tail is in its outcome, and in all that shows a message, with the declared default."""
    for field in TAIL:
        if field.writer == "step":
            kinds = (Retried, Claimed, Stored, *((DeadLetter,) if field.name != "last_error" else ()))
            for kind in kinds:
                assert field.name in kind._fields
                assert kind._field_defaults.get(field.name, field.default) == field.default


def test_records_have_the_declared_defaults() -> None:
    """A submission's fields that are declared have the declared default, and what is the producer's is in it."""
    for field in (*LINE, *TAIL):
        if field.name in Submission._field_defaults:
            assert Submission._field_defaults[field.name] == field.default
        if field.writer == "producer":
            assert field.name in Submission._fields
