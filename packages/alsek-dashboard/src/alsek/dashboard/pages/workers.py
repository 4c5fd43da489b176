"""The workers, and what they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.core.inspection.wording import progress_text
from alsek.dashboard.pages.page import Page
from alsek.dashboard.pages.problems import place_of
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

_MOST_WORKERS: Final = 200
#: Of so many running messages the progress is read, of those that were claimed first.
_MOST_RUNNING: Final = 100


def read(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page shows: those whose lease has ended first, then the busiest."""
    workers = sorted(snapshot.workers, key=lambda worker: (worker.alive, -worker.busy, worker.id))
    held = [(worker, message) for worker in workers for message in worker.running]
    held.sort(key=lambda pair: pair[1].started_at or snapshot.now)
    progress = store.inspector.progress([message.uuid for _, message in held[:_MOST_RUNNING]])
    return {
        "workers": [(place_of(worker), worker) for worker in workers[:_MOST_WORKERS]],
        "count": len(workers),
        "most": _MOST_WORKERS,
        "held": [
            (place_of(worker), message, progress.get(message.uuid))
            for worker, message in held[:_MOST_RUNNING]
        ],
        "held_count": len(held),
        "texts": {uuid: store.masker.line(progress_text(each)) for uuid, each in progress.items()},
    }


PAGE: Final = Page("workers", "Workers", read, shared=False)
