"""Pages that a reader follows from top to bottom do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.followed_page import FollowedPage

DOCS = Path(__file__).parents[2] / "docs"

#: With the least number of commands that are typed.
PAGES = {"start.md": 6, "tutorial.md": 12} | {
    f"migrating/{page.name}": 2 for page in sorted((DOCS / "migrating").glob("*.md"))
}

#: The first one is in the short suite; all of them take longer.
SHORT = "start.md"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [
        pytest.param(name, least, id=name, marks=() if name == SHORT else pytest.mark.deep)
        for name, least in PAGES.items()
    ],
)
def test_a_page_can_be_followed(name: str, least: int, tmp_path: Path) -> None:
    """Its files are saved, and each command that it types ends well and prints what the page says."""
    with FollowedPage(DOCS / name, tmp_path) as page:
        page.follow()
        assert page.n_commands >= least
