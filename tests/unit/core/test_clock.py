"""Times as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.clock import from_text, to_text


def test_the_tours_time() -> None:
    """The time printed in the tour is the number printed in the tour."""
    assert from_text("2021-04-08 05:59:16.424000") == 1_617_861_556_424
    assert to_text(1_617_861_556_424) == "2021-04-08 05:59:16.424000"


def test_text_without_fractions() -> None:
    """Fractions of a second may be left out."""
    assert from_text("2021-04-08 05:59:16") == 1_617_861_556_000


@given(st.integers(0, 253_402_300_799_999))
def test_text_and_back(timestamp: int) -> None:
    """Whatever millisecond it is, its text gives it back."""
    assert from_text(to_text(timestamp)) == timestamp


@pytest.mark.parametrize("text", ["", "yesterday", "2021-04-08", "2021-13-08 05:59:16", "1617861556424"])
def test_other_text_is_refused(text: str) -> None:
    """What is no such time is refused with the text in the error."""
    with pytest.raises(ValueError, match="is not a UTC time"):
        from_text(text)
