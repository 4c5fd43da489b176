"""The screen of ``alsek top``: a snapshot with one queue chosen, and what the last key did."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from alsek.cli.screens.snapshot import Snapshot
from alsek.cli.screens.status_tables import head, queue_table, rest, task_table, worker_table
from alsek.core.inspection.queues import QueueInfo, by_load

_HELP = "q quit   ↑ ↓ choose a queue   p pause or resume it"
#: Lines that are no rows: heads, gaps, the help.
_FIXED = 12


class LiveScreen:
    """What is shown, and which queue is chosen.

    Args:
        snapshot: The first one.

    Attributes:
        snapshot: The last one.
        chosen: The name of the chosen queue.
        trouble: Why the snapshot is not newer, if the store does not answer.
        said: What the last key did.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.chosen: str | None = None
        self.said = ""
        self.update(snapshot)

    def update(self, snapshot: Snapshot) -> None:
        """Show this from now on. A queue that is gone is chosen no longer."""
        self.snapshot, self.trouble = snapshot, ""
        names = self._names()
        if self.chosen not in names:
            self.chosen = names[0] if names else None

    def move(self, by: int) -> None:
        """Choose the queue so many rows below."""
        names = self._names()
        if names:
            place = names.index(self.chosen) if self.chosen in names else 0
            self.chosen = names[max(0, min(len(names) - 1, place + by))]

    @property
    def chosen_is_paused(self) -> bool:
        """Whether the chosen queue is paused, as far as is known."""
        return any(queue.paused for queue in self.snapshot.queues if queue.name == self.chosen)

    def render(self, console: Console) -> RenderableType:
        """Return the screen, as high as the terminal."""
        rows = max(4, console.height - _FIXED)
        queues = self._ordered()
        workers = min(len(self.snapshot.workers), max(rows // 3, rows - len(queues)))
        tasks = min(len(self.snapshot.tasks), rows // 3)
        fitting = max(1, rows - workers - tasks)
        parts: list[RenderableType] = [head(self.snapshot)]
        if self.trouble:
            parts.append(Text(self.trouble, "red", no_wrap=True, overflow="ellipsis"))
        parts += [Text(), queue_table(queues, fitting, self.chosen)]
        parts += rest("queues", len(queues), fitting, "↑ ↓") or [Text()]
        if workers:
            parts.append(worker_table(self.snapshot, workers))
            parts += rest("workers", len(self.snapshot.workers), workers, "alsek status --json") or [Text()]
        if tasks:
            parts.append(task_table(self.snapshot, tasks))
            parts += rest("tasks", len(self.snapshot.tasks), tasks, "alsek status --json") or [Text()]
        parts.append(
            Text(self.said or _HELP, "yellow" if self.said else "dim", no_wrap=True, overflow="ellipsis")
        )
        return Group(*parts)

    def _ordered(self) -> list[QueueInfo]:
        return by_load(self.snapshot.queues)

    def _names(self) -> list[str]:
        return [queue.name for queue in self._ordered()]
