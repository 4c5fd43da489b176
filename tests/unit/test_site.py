"""What the documentation site adds to MkDocs."""

from __future__ import annotations

from pathlib import Path

import pytest

import alsek
from alsek import exceptions
from tests.packaging.test_public_names import OF_OTHER_PACKAGES
from website import api_pages, links, navigation, outside_files


@pytest.mark.parametrize(
    ("target", "page", "there"),
    [
        ("limits.md#keys", "guide.md", "limits.md#keys"),
        ("../keys.md", "decisions/0011-one-rule-book.md", "../keys.md"),
        ("../CHANGELOG.md", "guide.md", "changelog.md"),
        ("../../CHANGELOG.md", "decisions/0011-one-rule-book.md", "../changelog.md"),
        ("docs/glossary.md", "contributing.md", "glossary.md"),
        ("decisions", "architecture.md", "decisions.md"),
        ("RESULTS.svg", "benchmarks.md", "assets/benchmarks.svg"),
        (
            "../tests/unit/test_costs.py",
            "performance.md",
            f"{links.REPOSITORY}/blob/main/tests/unit/test_costs.py",
        ),
        ("../examples/deploy", "workers.md", f"{links.REPOSITORY}/tree/main/examples/deploy"),
        ("../no/such.file", "workers.md", "../no/such.file"),
        ("#keys", "limits.md", "#keys"),
        ("https://redis.io", "limits.md", "https://redis.io"),
    ],
)
def test_where_a_link_leads(target: str, page: str, there: str) -> None:
    """A link of the repository leads to the same text on the site; what is no page is shown by GitHub."""
    assert links.target_on_the_site(target, page, links.OUTSIDE.get(page, f"docs/{page}")) == there


def test_links_in_code_are_left_alone() -> None:
    """Only prose has links."""
    text = "[a](../README.md)\n```python\n[a](../README.md)\n```\n[b](../README.md#x)\n"
    assert links.for_the_site(text, "guide.md") == (
        "[a](index.md)\n```python\n[a](../README.md)\n```\n[b](index.md#x)\n"
    )


def test_a_navigation_is_completed() -> None:
    """Pages that are made stand below theirs."""
    nav = ["index.md", {"Reference": [{"Python": "api.md"}, {"Keys": "keys.md"}]}]
    assert navigation.completed(nav, {"api.md": ["api/tasks.md"]}) == [
        "index.md",
        {"Reference": [{"Python": ["api.md", "api/tasks.md"]}, {"Keys": "keys.md"}]},
    ]


def test_every_public_name_is_in_the_reference() -> None:
    """All that `alsek` offers has its place on a page; errors are on theirs, with their module."""
    there = {name for page in api_pages.PAGES.values() for name in page.names}
    wanted = {f"alsek.{name}" for name in (*alsek.__all__, *OF_OTHER_PACKAGES) if name != "__version__"}
    errors = {f"alsek.{name}" for name in alsek.__all__ if getattr(exceptions, name, None) is not None}
    assert "alsek.exceptions" in there
    assert wanted - errors - there == set()


def test_files_of_other_hosts_are_found(tmp_path: Path) -> None:
    """Scripts, pictures and styles from elsewhere are found; links that one clicks are none."""
    (tmp_path / "a.html").write_text(
        '<link rel="canonical" href="https://a.example/"><a href="https://b.example/">b</a><img src="own.svg">'
        '<link rel="stylesheet" href="https://c.example/x.css"><script src="//d.example/x.js"></script>'
        '<a class="md-source" data-md-component="source" href="https://e.example/">e</a>'
    )
    found = [each.partition(" (")[0] for each in outside_files.asked_for(tmp_path)]
    assert found == [
        "a.html: https://c.example/x.css",
        "a.html: //d.example/x.js",
        "a.html: https://api.github.com",
    ]
