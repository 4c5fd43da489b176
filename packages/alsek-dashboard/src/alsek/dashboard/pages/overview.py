"""The overview: what is wrong, how much goes through, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.core.inspection.queues import by_load
from alsek.core.inspection.wording import counted
from alsek.dashboard.pages.chart import chart_of
from alsek.dashboard.pages.dead import group_shown
from alsek.dashboard.pages.page import Page
from alsek.dashboard.pages.problems import problems_of
from alsek.dashboard.reading.minutes import SHOWN
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

_MOST_QUEUES: Final = 10
_MOST_CAUSES: Final = 5


def read(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the overview shows."""
    queues = by_load(snapshot.queues)
    causes = store.causes(snapshot)
    alive = snapshot.alive
    return {
        "problems": problems_of(snapshot),
        "ended": sum(queue.rate for queue in queues),
        "failed": sum(minute.failed for minute in snapshot.minutes),
        "succeeded": sum(minute.succeeded for minute in snapshot.minutes),
        "retried": sum(minute.retried for minute in snapshot.minutes),
        "delayed": sum(queue.delayed for queue in queues),
        "waiting": sum(queue.waiting for queue in queues),
        "running": sum(queue.running for queue in queues),
        "slots": sum(worker.slots or 0 for worker in alive),
        "busy": sum(worker.busy for worker in alive),
        "workers": counted(len(alive), "live worker"),
        "span": "hour" if len(snapshot.minutes) == SHOWN else counted(len(snapshot.minutes), "minute"),
        "chart": chart_of(snapshot.minutes),
        "queues": queues[:_MOST_QUEUES],
        "more_queues": max(0, len(queues) - _MOST_QUEUES),
        "waits": any(queue.waiting for queue in queues[:_MOST_QUEUES]),
        "causes": None if causes is None else [group_shown(store, group) for group in causes[:_MOST_CAUSES]],
        "more_causes": 0 if causes is None else max(0, len(causes) - _MOST_CAUSES),
    }


PAGE: Final = Page("overview", "Overview", read)
