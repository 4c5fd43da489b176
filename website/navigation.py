"""The navigation of mkdocs.yml, completed with pages that are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def completed(nav: Any, below: Mapping[str, Sequence[str]]) -> Any:
    """A copy of a navigation.

    Args:
        nav: As in mkdocs.yml.
        below: For a page, those that stand below it.
    """
    if isinstance(nav, list):
        return [completed(each, below) for each in nav]
    if isinstance(nav, dict):
        return {title: completed(entry, below) for title, entry in nav.items()}
    return [nav, *below[nav]] if nav in below else nav
