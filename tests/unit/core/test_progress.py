"""What a task may say of its progress."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest

from alsek.core.reporting.progress import (
    LONGEST_TEXT,
    Progress,
    checked_progress,
    progress_from_wire,
    progress_to_wire,
)
from alsek.exceptions import TaskTimeoutError, ValidationError


class _Count(IntEnum):
    MANY = 7


class _LikeNumpy:
    def __init__(self, value: float) -> None:
        self._value = value

    def __float__(self) -> float:
        return float(self._value)


class _LikeNumpyInteger(_LikeNumpy):
    def __index__(self) -> int:
        return int(self._value)


class _Hostile:
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error

    __repr__ = __str__

    def __float__(self) -> float:
        raise self._error


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (3, 3),
        (0.5, 0.5),
        (True, 1),
        (_Count.MANY, 7),
        (Decimal("2.5"), 2.5),
        (Fraction(1, 4), 0.25),
        (_LikeNumpy(1.5), 1.5),
        (_LikeNumpyInteger(12), 12),
        (2**80, float(2**80)),
    ],
)
def test_any_number_is_kept_as_a_plain_one(given: Any, kept: float) -> None:
    """It is an int or float afterwards, whatever it was."""
    progress = checked_progress(given, given, "")
    assert progress == (kept, kept, "")
    assert type(progress.current) in (int, float)
    assert progress_from_wire(progress_to_wire(progress)) == progress


@pytest.mark.parametrize(
    "given", [-1, math.nan, math.inf, "3", b"3", None, 10**400, [], _Hostile(RuntimeError("no"))]
)
def test_what_is_no_number_is_refused_with_a_sentence(given: Any) -> None:
    """The error says which argument it was, and what it must be."""
    with pytest.raises(ValidationError, match=r"progress\(current=.*must be a number >= 0, and finite"):
        checked_progress(given, None, "")
    if given is not None:
        with pytest.raises(ValidationError, match=r"progress\(total="):
            checked_progress(0, given, "")


def test_more_than_all_is_shown_as_it_is() -> None:
    """A total may have been an estimate."""
    progress = checked_progress(1_200, 1_000, "rows")
    assert progress == Progress(1_200, 1_000, "rows")
    assert progress.fraction == 1.0
    assert checked_progress(3, None, "").fraction is None
    assert checked_progress(0, 0, "").fraction is None


def test_any_text_can_be_stored() -> None:
    """It is cut, surrogates are escaped, and what has no text says so."""
    assert checked_progress(0, None, "x" * 5_000).text == "x" * (LONGEST_TEXT - 1) + "…"
    assert checked_progress(0, None, "\ud800").text == "\\ud800"
    assert checked_progress(0, None, 12).text == "12"
    assert (
        checked_progress(0, None, _Hostile(RuntimeError("no"))).text == "<_Hostile whose text can't be had>"
    )


def test_a_timeout_that_is_raised_meanwhile_is_not_swallowed() -> None:
    """It is raised in the thread of a task at any moment, so also within the user's methods."""
    for error in (TaskTimeoutError("late"),):
        with pytest.raises(TaskTimeoutError):
            checked_progress(_Hostile(error), None, "")
        with pytest.raises(TaskTimeoutError):
            checked_progress(0, None, _Hostile(error))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"current": "x"}', b"\xff", b'{"current": NaN}', b"3"])
def test_foreign_bytes_are_no_progress(data: bytes) -> None:
    """What another program has written is shown as nothing."""
    assert progress_from_wire(data) is None
