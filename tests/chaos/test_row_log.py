"""The judge of long work finds what would be wrong."""

from __future__ import annotations

from tests.chaos.row_log import Note, problems


def _rows(first: int, last: int) -> list[Note]:
    return [Note("row", row) for row in range(first, last)]


def test_going_back_to_what_was_saved_is_right() -> None:
    """However often, and also if a save had arrived whose caller was killed before it could say so."""
    notes = [Note("begun", 0), *_rows(0, 14), Note("saved", 10), Note("begun", 10), *_rows(10, 19)]
    notes += [Note("begun", 15), *_rows(15, 20)]
    assert list(problems(notes, 20, 10)) == []


def test_going_back_further_is_found() -> None:
    """Behind what was saved, or by more than lies between two saves; and rows that nobody did."""
    notes = [Note("begun", 0), Note("saved", 10), Note("begun", 0), *_rows(0, 20)]
    assert list(problems(notes, 20, 10)) == ["an attempt began at row 0, and 10 was saved"]
    notes = [Note("begun", 0), *_rows(0, 15), Note("begun", 2), *_rows(2, 20)]
    assert list(problems(notes, 20, 10)) == [
        "an attempt began at row 2, and 14 was done: more than 10 before"
    ]
    assert list(problems([Note("begun", 0), *_rows(0, 2)], 3, 10)) == ["rows were left out: [2]"]
