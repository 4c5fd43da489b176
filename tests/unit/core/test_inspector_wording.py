"""Times and counts in the sentences of the inspector."""

from __future__ import annotations

import pytest

from alsek.core.inspection.wording import coming, counted, failure, listed, moment, past, span


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (-5, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (3_600_000, "1 h"),
        (3_659_000, "1 h"),
        (3_660_000, "1 h 1 min"),
        (86_400_000, "1 d"),
        (190_000_000, "2 d 4 h"),
    ],
)
def test_durations(duration: int, text: str) -> None:
    """The two largest units; nothing is less than 0."""
    assert span(duration) == text


def test_times() -> None:
    """UTC, with the distance from now; any number will do."""
    assert moment(1_700_000_000_999) == "2023-11-14 22:13:20 UTC"
    assert past(1_700_000_000_000, 1_700_000_004_000) == "2023-11-14 22:13:20 UTC, 4 s ago"
    assert coming(1_700_000_000_000, 1_699_999_999_000) == "2023-11-14 22:13:20 UTC, in 1 s"
    assert moment(10**30) == f"{10**30} ms after 1970"


def test_numbers_and_names() -> None:
    """One is one, and many names are cut."""
    assert (counted(1, "worker"), counted(1_200, "worker")) == ("1 worker", "1,200 workers")
    assert counted(2, "loss", "losses") == "2 losses"
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e' and 3 more"


def test_failures() -> None:
    """The name, and the first line of the text, if there is any."""
    assert failure({"name": "E", "text": " no\nmore", "traceback": None}) == "E: no"
    assert failure({"name": "E", "text": "", "traceback": None}) == "E"
    assert failure({"name": "E", "text": "x" * 900, "traceback": None}) == f"E: {'x' * 200}…"
