"""A snapshot as tables of a given height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from alsek.cli.output import Column, plain
from alsek.cli.screens.snapshot import Snapshot
from alsek.cli.tables import Row, table
from alsek.core.inspection.queues import QueueInfo
from alsek.core.inspection.schedules import ScheduleInfo
from alsek.core.inspection.wording import counted, failed_with, progress_text, span
from alsek.core.inspection.workers import WorkerInfo

#: Shown only where messages wait for a limit or a unique key.
_WAITING: Final = Column("waiting", right=True)
_QUEUE_COLUMNS: Final = (
    Column("queue", shrinks=True),
    Column("ready", right=True),
    Column("delayed", right=True),
    _WAITING,
    Column("running", right=True),
    Column("dead", right=True),
    Column("oldest", right=True),
    Column("ended/s", right=True),
    Column("", shrinks=True),
)
_WORKER_COLUMNS: Final = (
    Column("worker"),
    Column("kind"),
    Column("busy", right=True),
    Column("beat", right=True),
    Column("up", right=True),
    Column("version"),
    Column("queues", shrinks=True),
    Column("tasks", shrinks=True),
)
_TASK_COLUMNS: Final = (
    Column("running"),
    Column("queue", shrinks=True),
    Column("for", right=True),
    Column("", shrinks=False),
    Column("progress", shrinks=True),
)
_CAUSE_COLUMNS: Final = (
    Column("dead", right=True),
    Column("task", shrinks=True),
    Column("fingerprint"),
    Column("last", right=True),
    Column("failed with", shrinks=True, style="red"),
)

#: How wide a bar of progress is, in characters.
_BAR: Final = 16

#: How many names of queues or tasks of a worker are shown.
_MOST_NAMES: Final = 4


def head(snapshot: Snapshot) -> Text:
    """Return the lines above the tables: the store, and what it holds in all."""
    alive = sum(worker.alive for worker in snapshot.workers)
    slots = sum(worker.slots or 0 for worker in snapshot.workers if worker.alive)
    busy = sum(worker.busy for worker in snapshot.workers if worker.alive)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(plain(snapshot.where), "bold")
    waiting = f"{snapshot.waiting:,} waiting, " if snapshot.waiting else ""
    text.append(
        f"\n{snapshot.ready:,} ready, {snapshot.delayed:,} delayed, {waiting}{snapshot.running:,} running, "
    )
    text.append(f"{snapshot.dead:,} dead", "red" if snapshot.dead else "")
    text.append(f"; {snapshot.rate:,.1f} ended/s")
    text.append(f"\n{counted(alive, 'live worker')}, {busy:,} of {slots:,} slots busy")
    _add_schedules(text, snapshot.schedules)
    return text


def _add_schedules(text: Text, schedules: Sequence[ScheduleInfo]) -> None:
    """Add how many schedules there are, and how many are not fired, if there are any."""
    if not schedules:
        return
    text.append(f"; {counted(len(schedules), 'schedule')}")
    for number, what, style in (
        (sum(each.paused for each in schedules), "paused", "yellow"),
        (sum(each.overdue for each in schedules), "overdue", "red"),
        (sum(each.orphaned for each in schedules), "orphaned", "red"),
    ):
        if number:
            text.append(", ")
            text.append(f"{number:,} {what}", style)


def queue_table(queues: Sequence[QueueInfo], most: int, chosen: str | None = None) -> Table:
    """Return a table of queues, with those around the chosen one if they are more than `most`."""
    waits = any(queue.waiting for queue in queues)
    rows = [
        Row(
            (
                queue.name,
                f"{queue.ready:,}",
                f"{queue.delayed:,}",
                *([f"{queue.waiting:,}"] if waits else []),
                f"{queue.running:,}",
                Text(f"{queue.dead:,}", "red" if queue.dead else ""),
                "" if queue.oldest_ready_age is None else span(queue.oldest_ready_age),
                f"{queue.rate:,.1f}",
                Text(f"paused by {plain(queue.paused_by or '?')}" if queue.paused else "", "yellow"),
            ),
            "reverse" if queue.name == chosen else "",
        )
        for queue in window(queues, most, chosen)
    ]
    return table([column for column in _QUEUE_COLUMNS if waits or column is not _WAITING], rows)


def worker_table(snapshot: Snapshot, most: int) -> Table:
    """Return a table of workers: those whose lease has ended first, then the busiest."""
    rows = [
        Row(
            (
                _place(worker),
                worker.kind or "?",
                f"{worker.busy:,}" if worker.slots is None else f"{worker.busy:,}/{worker.slots:,}",
                Text(f"{span(snapshot.now - worker.last_beat)} ago", "" if worker.alive else "red"),
                "?" if worker.started_at is None else span(snapshot.now - worker.started_at),
                worker.version or "?",
                _names(worker.queues, "all"),
                _names(worker.tasks, "any"),
            )
        )
        for worker in sorted(snapshot.workers, key=_urgency)[:most]
    ]
    return table(_WORKER_COLUMNS, rows)


def task_table(snapshot: Snapshot, most: int) -> Table:
    """Return a table of running tasks that have told how far they are."""
    rows = [
        Row(
            (
                task.uuid,
                task.queue,
                "?" if task.started_at is None else span(snapshot.now - task.started_at),
                Text(_bar(task.progress.fraction), "green"),
                progress_text(task.progress),
            )
        )
        for task in snapshot.tasks[:most]
    ]
    return table(_TASK_COLUMNS, rows)


def _bar(done: float | None) -> str:
    """Return a bar of what is done; blanks if that is not known."""
    if done is None:
        return " " * _BAR
    full = int(done * _BAR)
    return "━" * full + "─" * (_BAR - full)


def cause_table(snapshot: Snapshot, most: int) -> Table:
    """Return a table of the causes of dead letters."""
    rows = [
        Row(
            (
                f"{cause.count:,}",
                cause.task or "?",
                cause.fingerprint,
                f"{span(snapshot.now - cause.last)} ago",
                failed_with(cause.exception, cause.sample.text),
            )
        )
        for cause in (snapshot.causes or ())[:most]
    ]
    return table(_CAUSE_COLUMNS, rows)


def rest(what: str, number: int, most: int, how: str) -> list[Text]:
    """Return a line that says how many more there are and how to see them; none if there are none."""
    return [Text(f"… and {number - most:,} more {what}: {how}", "dim")] if number > most else []


def window(queues: Sequence[QueueInfo], most: int, chosen: str | None) -> Sequence[QueueInfo]:
    """Return up to `most` of the queues, with the chosen one among them."""
    place = next((number for number, queue in enumerate(queues) if queue.name == chosen), 0)
    first = max(0, min(place - most // 2, len(queues) - most))
    return queues[first : first + most]


def _urgency(worker: WorkerInfo) -> tuple[bool, int, str, int]:
    return worker.alive, -worker.busy, worker.host or "", worker.pid or 0


def _place(worker: WorkerInfo) -> str:
    return worker.id if worker.host is None else f"{worker.host}:{worker.pid}"


def _names(names: Sequence[str] | None, otherwise: str) -> Text:
    if names is None:
        return Text(otherwise, "dim")
    more = f" +{len(names) - _MOST_NAMES}" if len(names) > _MOST_NAMES else ""
    return Text(plain(", ".join(names[:_MOST_NAMES])) + more)
