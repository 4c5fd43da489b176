"""A snapshot on one screen."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from alsek.cli.screens.snapshot import Snapshot
from alsek.cli.screens.status_tables import (
    cause_table,
    head,
    queue_table,
    rest,
    task_table,
    worker_table,
)
from alsek.core.inspection.queues import by_load

_FEWEST_LINES = 24
_MANY_LINES = 48
#: Lines that are no rows: heads, titles, gaps.
_FIXED = 13


def status_parts(snapshot: Snapshot, height: int | None) -> list[RenderableType]:
    """Return what ``alsek status`` shows.

    Args:
        snapshot: The store.
        height: Of the terminal; None if there is none.
    """
    rows = max(_MANY_LINES if height is None else height, _FEWEST_LINES) - _FIXED
    causes = min(len(snapshot.causes or ()), rows // 4)
    workers = min(len(snapshot.workers), max(rows // 3, rows - causes - len(snapshot.queues)))
    tasks = min(len(snapshot.tasks), rows // 4)
    queues = max(1, rows - causes - workers - tasks)
    parts: list[RenderableType] = [head(snapshot)]
    if snapshot.queues:
        chosen = snapshot.queues if len(snapshot.queues) <= queues else by_load(snapshot.queues)
        parts += [Text(), queue_table(chosen, queues)]
        parts += rest("queues", len(chosen), queues, "alsek queue list")
    if workers:
        parts += [Text(), worker_table(snapshot, workers)]
        parts += rest("workers", len(snapshot.workers), workers, "alsek status --json")
    if tasks:
        parts += [Text(), task_table(snapshot, tasks)]
        parts += rest("tasks", len(snapshot.tasks), tasks, "alsek status --json")
    if causes:
        parts += [Text(), cause_table(snapshot, causes)]
        parts += rest("causes", len(snapshot.causes or ()), causes, "alsek dead list --group")
    elif snapshot.dead and snapshot.causes is None:
        parts += [Text(), Text("Dead letters by cause: alsek dead list --group", "dim")]
    return parts
