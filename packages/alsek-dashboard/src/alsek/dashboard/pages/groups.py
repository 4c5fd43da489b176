"""The groups, and one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.dashboard.pages.page import MissingError, Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView
from alsek.exceptions import ValidationError

_MOST: Final = 50


def read_all(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of groups shows."""
    return {"groups": store.inspector.groups(_MOST), "most": _MOST}


def read_one(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of one group shows.

    Raises:
        MissingError: The store has none of this id.
    """
    name = query.get("id", "").strip()
    try:
        group = store.inspector.group(name)
    except ValidationError as error:
        raise MissingError(f"{name!r} can't be the id of a group.") from error
    if group is None:
        where = store.backend.describe()
        raise MissingError(
            f"There is no group {name} in {where}: it was not submitted yet, or its ttl is over."
        )
    return {"group": group}


ALL: Final = Page("groups", "Groups", read_all, shared=False)
ONE: Final = Page("group", "Group", read_one, ("id",), shared=False)
