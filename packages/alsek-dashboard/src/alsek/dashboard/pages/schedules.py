"""The schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.dashboard.pages.page import MissingError, Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

_MOST: Final = 500


def read_all(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of all schedules shows."""
    return {"schedules": snapshot.schedules[:_MOST], "count": len(snapshot.schedules), "most": _MOST}


def read_one(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of one schedule shows.

    Raises:
        MissingError: There is none of this name.
    """
    info = store.inspector.schedule(query.get("name", ""))
    if info is None:
        raise MissingError(f"There is no schedule {query.get('name', '')!r} in {store.backend.describe()}.")
    shown = store.masker.info(info)
    return {"info": shown | {"paused": info.paused, "overdue": info.overdue}}


ALL: Final = Page("schedules", "Schedules", read_all)
ONE: Final = Page("schedule", "Schedule", read_one, ("name",), shared=False)
