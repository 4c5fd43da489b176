"""A page: its name, and what is read for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        name: Its name in URLs, and of its template.
        title: Its title.
        read: Reads what it shows, for its template: from the store, the snapshot, and the query of its URL.
        query: The names that its URL may have in its query.
        shared: It is made of the snapshot alone, so that it costs the store nothing more.
    """

    name: str
    title: str
    read: Callable[[StoreView, Snapshot, Mapping[str, str]], dict[str, Any]]
    query: tuple[str, ...] = ()
    shared: bool = True


class View(NamedTuple):
    """What one open page shows: the page, its query, and the path below which the dashboard is served."""

    page: Page
    query: tuple[tuple[str, str], ...]
    base: str


class MissingError(Exception):
    """What a page is to show is not there. The text says so."""
