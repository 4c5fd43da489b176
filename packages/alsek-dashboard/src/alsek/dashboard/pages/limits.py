"""The limits, and who takes up their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.dashboard.pages.page import Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

_MOST: Final = 500


def read(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page shows: those for which the most messages wait first."""
    limits = sorted(store.inspector.limits(), key=lambda limit: (-limit.waiting, -limit.used, limit.id))
    return {"limits": limits[:_MOST], "count": len(limits), "most": _MOST}


PAGE: Final = Page("limits", "Limits", read, shared=False)
