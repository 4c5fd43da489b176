"""The queues, and the messages of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from alsek.core.inspection.listing import STATES, ListedState
from alsek.core.inspection.queues import QueueInfo, by_load
from alsek.core.inspection.workers import serves
from alsek.dashboard.pages.page import MissingError, Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView

#: So many queues are shown at once, those with the most to do.
_MOST_QUEUES: Final = 500
#: So many messages of a queue are shown.
MOST_MESSAGES: Final = 100


def read_all(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of all queues shows: those whose name has the text that is looked for."""
    text = query.get("find", "").lower()
    queues = [queue for queue in by_load(snapshot.queues) if text in queue.name.lower()]
    return {
        "queues": queues[:_MOST_QUEUES],
        "count": len(queues),
        "most": _MOST_QUEUES,
        "waits": any(queue.waiting for queue in queues),
        "find": query.get("find", ""),
    }


def read_one(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of one queue shows: its numbers, and its first messages of one state.

    Raises:
        MissingError: The name is empty.
    """
    name = query.get("name", "")
    if not name:
        raise MissingError("Name a queue.")
    known = next((queue for queue in snapshot.queues if queue.name == name), None)
    queue = known or QueueInfo(name, 0, 0, 0, 0, False, None, 0.0)
    state = cast("ListedState", query.get("state") if query.get("state") in STATES else _fullest(queue))
    task = query.get("task") or None
    messages = store.inspector.messages(name, state, task=task, most=MOST_MESSAGES)
    counts = {
        "ready": queue.ready,
        "running": queue.running,
        "delayed": queue.delayed,
        "waiting": queue.waiting,
    }
    return {
        "queue": queue,
        "known": known is not None,
        "state": state,
        "task": task or "",
        "counts": counts,
        "messages": [store.masker.info(message) for message in messages],
        "tasks": sorted({message.task for message in messages if message.task}),
        "most": MOST_MESSAGES,
        "serving": sum(serves(worker, name) for worker in snapshot.alive),
    }


def _fullest(queue: QueueInfo) -> ListedState:
    """Return the state of which the page shows messages if none is named: the first that has some."""
    if queue.ready or not (queue.running or queue.delayed or queue.waiting):
        return "ready"
    return "running" if queue.running else "waiting" if queue.waiting else "delayed"


ALL: Final = Page("queues", "Queues", read_all, ("find",))
ONE: Final = Page("queue", "Queue", read_one, ("name", "state", "task"), shared=False)
