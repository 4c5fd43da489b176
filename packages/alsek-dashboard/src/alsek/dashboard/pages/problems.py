"""What is wrong with a store, as far as its numbers tell, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from alsek.core.inspection.wording import counted, span
from alsek.core.inspection.workers import WorkerInfo, serves
from alsek.dashboard.reading.snapshot import Snapshot

#: A message that has been ready for longer is worth a word.
_LONG_WAIT_MS: Final = 60_000
#: Failures of so many minutes are told, the present one included.
_RECENT: Final = 5
#: So many queues are named for one problem.
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem.

    Attributes:
        kind: ``"bad"``: nothing goes on; ``"warn"``: somebody should look.
        text: What it is, as a sentence.
        page: The page that shows more.
        query: The query of its URL.
    """

    kind: Literal["bad", "warn"]
    text: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])


def problems_of(snapshot: Snapshot) -> list[Problem]:
    """Return the problems of a store."""
    found = [*_workers(snapshot), *_queues(snapshot), *_failures(snapshot), *_schedules(snapshot)]
    return sorted(found, key=lambda problem: problem.kind)


def _workers(snapshot: Snapshot) -> Iterator[Problem]:
    dead = [worker for worker in snapshot.workers if not worker.alive]
    if dead:
        whose = "its lease has" if len(dead) == 1 else "their leases have"
        names = ", ".join(place_of(worker) for worker in dead[:_MOST_NAMED])
        yield Problem(
            "warn", f"{counted(len(dead), 'worker')} went silent: {whose} ended ({names}).", "workers"
        )
    if not snapshot.alive and snapshot.ready:
        yield Problem(
            "bad", f"No worker is alive, and {counted(snapshot.ready, 'message')} wait for one.", "workers"
        )


def _queues(snapshot: Snapshot) -> Iterator[Problem]:
    alive = snapshot.alive
    everything = any(worker.queues is None for worker in alive)
    unserved = [
        queue
        for queue in snapshot.queues
        if alive
        and not everything
        and queue.ready
        and not queue.paused
        and not any(serves(worker, queue.name) for worker in alive)
    ]
    for queue in unserved[:_MOST_NAMED]:
        text = (
            f"No live worker serves queue “{queue.name}”, which has {counted(queue.ready, 'ready message')}."
        )
        yield Problem("bad", text, "queue", {"name": queue.name})
    if len(unserved) > _MOST_NAMED:
        more = counted(len(unserved) - _MOST_NAMED, "more queue")
        yield Problem("bad", f"No live worker serves {more} with ready messages.", "queues")
    for queue in [queue for queue in snapshot.queues if queue.paused and queue.ready][:_MOST_NAMED]:
        text = f"Queue “{queue.name}” is paused by {queue.paused_by}, with {counted(queue.ready, 'ready message')}."
        yield Problem("warn", text, "queue", {"name": queue.name})
    late = [
        (queue.oldest_ready_age, queue.name)
        for queue in snapshot.queues
        if not queue.paused and queue.oldest_ready_age is not None and queue.oldest_ready_age > _LONG_WAIT_MS
    ]
    for age, name in sorted(late, reverse=True)[:_MOST_NAMED]:
        text = f"The oldest message of queue “{name}” has waited for {span(age)}."
        yield Problem("warn", text, "queue", {"name": name})


def _failures(snapshot: Snapshot) -> Iterator[Problem]:
    recent = snapshot.minutes[-_RECENT:]
    failed = sum(minute.failed for minute in recent)
    if failed:
        tasks: Counter[str] = Counter()
        for minute in recent:
            tasks.update(minute.failed_tasks)
        names = ", ".join(name for name, _ in tasks.most_common(_MOST_NAMED))
        text = f"{counted(failed, 'message')} failed for good in the last {_RECENT} minutes ({names})."
        yield Problem("warn", text, "dead")


def _schedules(snapshot: Snapshot) -> Iterator[Problem]:
    for name, what in (
        ("overdue", "due, and fired by no pool"),
        ("orphaned", "declared by no pool that runs"),
    ):
        found = [schedule for schedule in snapshot.schedules if getattr(schedule, name)]
        if found:
            names = ", ".join(schedule.name for schedule in found[:_MOST_NAMED])
            yield Problem("warn", f"{counted(len(found), 'schedule')} {what} ({names}).", "schedules")


def place_of(worker: WorkerInfo) -> str:
    """Return where a worker runs; its id if it has not told."""
    return worker.id if worker.host is None else f"{worker.host}:{worker.pid}"
