"""Dead letters: by cause, and those of one cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.core.inspection.dead import DeadGroup
from alsek.core.inspection.plain import as_dict
from alsek.core.inspection.wording import failed_with
from alsek.dashboard.pages.page import Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

#: What chooses dead letters.
CHOICE: Final = ("queue", "task", "exception", "fingerprint")
#: No more dead letters than these are read for a page.
MOST_READ: Final = 10_000
_MOST_SHOWN: Final = 100


def read(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page shows: the causes; if some are chosen, the last dead letters of these as well."""
    choice = chosen(query)
    total = sum(queue.dead for queue in snapshot.queues)
    groups = store.inspector.dead(group=True, most=MOST_READ, **choice)
    letters = store.inspector.dead(most=MOST_READ, **choice) if choice else []
    return {
        "choice": choice,
        "groups": [group_shown(store, group) for group in groups],
        "letters": [letter_shown(store, info) for info in reversed(letters[-_MOST_SHOWN:])],
        "count": sum(group.count for group in groups),
        "total": total,
        "most_read": MOST_READ,
        "most": _MOST_SHOWN,
    }


def chosen(query: Mapping[str, str]) -> dict[str, Any]:
    """Return what a query chooses."""
    return {name: query[name] for name in CHOICE if query.get(name)}


def group_shown(store: StoreView, group: DeadGroup) -> dict[str, Any]:
    """Return a group of dead letters as pages show it."""
    sample = letter_shown(store, group.sample)
    return {**as_dict(group), "sample": sample, "failed_with": sample["failed_with"]}


def letter_shown(store: StoreView, info: Any) -> dict[str, Any]:
    """Return a dead letter as pages show it."""
    shown = store.masker.info(info)
    return {**shown, "failed_with": failed_with(shown["exception"], shown["text"], 200)}


PAGE: Final = Page("dead", "Dead letters", read, CHOICE, shared=False)
