"""The page of commands."""

from __future__ import annotations

from tests.unit.cli.reference import PAGE, page


def test_the_page_of_commands_is_current() -> None:
    """docs/cli.md says what the commands say of themselves. If it does not: `hatch run reference`."""
    assert PAGE.read_text() == page()
