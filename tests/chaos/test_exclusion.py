"""What runs at the same time is found in the journal, whatever was killed."""

from __future__ import annotations

import pytest

from tests.chaos.exclusion import by_source, overlaps, peak, share
from tests.chaos.execution_log import Line


def journal(text: str) -> list[Line]:
    """Lines of messages, written as ``+a1 -a1``: run 1 of message a begins, and ends; each a second after the last.

    The process of a run has its number.
    """
    return [
        Line("begun" if word[0] == "+" else "ended", word[1], word[1:], int(word[2]), float(at), "key")
        for at, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("text", "overlap"),
    [
        ("+a1 -a1 +b1 -b1", False),
        ("+a1 +b1 -a1 -b1", True),
        ("+a1 +b1 -b1 -a1", True),
        ("+a1 +a2 -a2 +b1 -b1", False),
        ("+a1 +b1 +a2 -a2 -b1", True),
        ("+a1 -a1 +a2 -a2 +b1 -b1", False),
        ("+a1 +a2 -a2 +b1 -a1 -b1", False),
        ("+c1 +d1 +c2 +c3", True),
    ],
    ids=[
        "one after the other",
        "the second begins too early",
        "the second is within the first",
        "the first was lost and run again",
        "the second is between two runs",
        "the first was retried",
        "a run that was refused ends later",
        "both fail for good",
    ],
)
def test_overlaps_of_one_key_are_found(text: str, overlap: bool) -> None:
    """A message must not begin before the accepted run of the one before has ended, or its last run has begun."""
    accepted = {"a": "a2" if "+a2" in text else "a1", "b": "b1"}
    assert bool(overlaps(journal(text), accepted.get)) is overlap


def test_the_peak_counts_runs() -> None:
    """Runs count from their first to their last line."""
    assert peak(journal("+a1 -a1 +b1 -b1 +c1 -c1"), {}) == 1
    assert peak(journal("+a1 +b1 -a1 +c1 -c1 -b1"), {}) == 2
    assert peak([], {}) == 0


def test_a_killed_run_counts_until_it_was_killed() -> None:
    """A run without an end counts until its process was killed; if that is not known, not at all after its begin."""
    lines = journal("+a7 +b1 -b1 +c1 -c1 +a2 -a2")
    assert peak(lines, {7: 0.5}) == 1
    assert peak(lines, {7: 1.5}) == 2
    assert peak(lines, {}) == 1
    assert peak(lines, {8: 6.0}) == 1


def test_one_that_ends_makes_room_at_once() -> None:
    """Two runs of which one ends when the other begins do not count together."""
    lines = [
        Line(what, uuid, uuid, 1, at, "x") for what, uuid, at in (("begun", "a", 0.0), ("ended", "a", 1.0))
    ]
    lines += [line._replace(uuid="b", run="b", at=line.at + 1.0) for line in lines]
    assert peak(lines, {}) == 1


def test_lines_are_told_apart_by_source() -> None:
    """Lines of each key stand together, in their order."""
    lines = [line._replace(source=line.uuid) for line in journal("+a1 +b1 -a1 -b1")]
    assert {source: len(found) for source, found in by_source(lines).items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("text", "submitted", "amount", "killed", "expected"),
    [
        ("+a1 -a1 +b1 -b1", "abcc", 1, {}, (3.0, 2 / 3, 2 / 3)),
        ("+a1 +b1 -a1 +c1 -b1 -c1", "abcde", 2, {}, (5.0, 0.7, 0.7)),
        ("+a1 +b1 -a1 -b1", "ab", 2, {}, (2.0, 0.75, 0.75)),
        ("+a1 -a1", "", 2, {}, (0.0, 0.0, 0.0)),
        ("+a7 +a2 -a2", "az", 1, {7: 0.25}, (2.0, 0.625, 1.0)),
        ("+a7 +b1 -b1 +a2 -a2", "abz", 1, {7: 0.5}, (4.0, 0.625, 0.75)),
        ("+a7 +b1 -b1 +c1 -c1", "abczz", 2, {7: 0.5}, (4.0, 0.3125, 0.5)),
    ],
    ids=[
        "one place, empty for one second of three",
        "two places, of which one is empty now and then",
        "only while there are enough to fill both",
        "never enough",
        "a dead holder keeps the place until its message begins again",
        "or until another runs in its place",
        "or until its lease has ended",
    ],
)
def test_the_share_of_a_limit_that_was_used(
    text: str,
    submitted: str,
    amount: int,
    killed: dict[int, float],
    expected: tuple[float, float, float],
) -> None:
    """Places in which something ran, by places and time while there was enough to run."""
    lines = journal(text)
    window = (0.0, lines[-1].at)
    found = share(lines, killed, dict.fromkeys(submitted, 0.0), amount, window, 1.5)
    assert found == pytest.approx(expected)
