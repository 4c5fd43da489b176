"""The navigation of mkdocs.yml, completed: without pages that are missing, with pages that are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any


def completed(nav: Any, missing: Set[str], below: Mapping[str, Sequence[str]]) -> Any:
    """A copy of a navigation.

    Args:
        nav: As in mkdocs.yml.
        missing: Pages whose entries are left out.
        below: For a page, those that stand below it.
    """
    if isinstance(nav, list):
        return [completed(each, missing, below) for each in nav if not missing & _pages(each)]
    if isinstance(nav, dict):
        return {title: completed(entry, missing, below) for title, entry in nav.items()}
    return [nav, *below[nav]] if nav in below else nav


def _pages(entry: Any) -> set[str]:
    """The pages that an entry itself names, without those of a section."""
    named = entry.values() if isinstance(entry, dict) else [entry]
    return {page for page in named if isinstance(page, str)}
