"""Pages that a reader follows from top to bottom do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.followed_page import FollowedPage

DOCS = Path(__file__).parents[2] / "docs"

#: With the least number of commands that are typed.
PAGES = {"start.md": 6}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), PAGES.items(), ids=PAGES)
def test_a_page_can_be_followed(name: str, least: int, tmp_path: Path) -> None:
    """Its files are saved, and each command that it types ends well and prints what the page says."""
    with FollowedPage(DOCS / name, tmp_path) as page:
        page.follow()
        assert page.n_commands >= least
