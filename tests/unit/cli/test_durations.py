"""Durations as options take them."""

from __future__ import annotations

import click
import pytest

from alsek.cli.durations import duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("90s", 90_000),
        ("15m", 900_000),
        ("15 min", 900_000),
        ("1h30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("1D 2H", 93_600_000),
        ("2w", 1_209_600_000),
        ("0s", 0),
    ],
)
def test_a_duration_has_units(text: str, milliseconds: int) -> None:
    """From milliseconds to weeks, one or several of them, in any case."""
    assert duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "h", "5x", "1h!", "-1h", "1h 5", "soon", "1e3s"])
def test_anything_else_is_refused(text: str) -> None:
    """A number without a unit as well: it could be seconds or milliseconds."""
    with pytest.raises(click.BadParameter, match="is no duration"):
        duration(text)
