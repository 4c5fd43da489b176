"""Finds what is set aside for a worker: by lanes, so that nothing here looks at single messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Final, NamedTuple

from alsek.storage.backends.records import Aside, Worker
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane, SlotLanes
from alsek.storage.backends.sqlite.messages.task_registry import takers

#: For how many lanes other workers are woken after a step.
_MOST_WOKEN: Final = 16

#: Those of queues that are not paused, and whether the worker takes messages of any task.
_OF_WORKER: Final = """
    SELECT q.name, a.queue, a.code, a.id, coalesce((SELECT any_task FROM worker_facts WHERE worker = :worker), 0)
    FROM aside_lanes AS a CROSS JOIN queues AS q ON q.id = a.queue
    WHERE a.ns = :ns AND NOT EXISTS (SELECT 1 FROM pauses AS p WHERE p.queue = a.queue)
    AND (EXISTS (SELECT 1 FROM worker_tasks AS t WHERE t.ns = a.ns AND t.task = a.task AND t.worker = :worker)
         OR EXISTS (SELECT 1 FROM worker_facts AS f WHERE f.worker = :worker AND f.any_task))
"""
#: Those of tasks that a worker has. If they are many, others are chosen each time: the workers that may take from some
#: may all be busy while one that may take from another sleeps.
_FIRST: Final = f"""
    SELECT q.name, a.code, a.task FROM aside_lanes AS a CROSS JOIN queues AS q ON q.id = a.queue
    WHERE a.ns = :ns AND NOT EXISTS (SELECT 1 FROM pauses AS p WHERE p.queue = a.queue)
    AND (EXISTS (SELECT 1 FROM worker_tasks AS t WHERE t.ns = a.ns AND t.task = a.task)
         OR EXISTS (SELECT 1 FROM worker_facts WHERE any_task))
    ORDER BY random() LIMIT {_MOST_WOKEN}
"""  # noqa: S608
_OF_QUEUE: Final = "SELECT code, task FROM aside_lanes WHERE ns = ? AND queue = ?"
_COUNTS: Final = """
    SELECT q.name, a.task, sum(a.messages) FROM aside_lanes AS a JOIN queues AS q ON q.id = a.queue
    WHERE a.ns = ? GROUP BY q.name, a.task ORDER BY q.name, a.task
"""


class AsideLane(NamedTuple):
    """What is set aside in one queue for one task, with one wish.

    Attributes:
        name: The queue's name.
        queue: Its id.
        code: The lane's number within its queue, as for what is simply ready.
        id: The id of the lane.
    """

    name: str
    queue: int
    code: int
    id: int


def lanes_of(tx: Transaction, worker: Worker, number: int, lanes: Iterable[SlotLanes]) -> list[AsideLane]:
    """Return the lanes with something set aside that a worker may take, now or once it holds nothing.

    Args:
        tx: The transaction.
        worker: The worker.
        number: The worker's id.
        lanes: From which of its lanes.
    """
    codes = {code for _, plain, suspects in lanes for code in plain + suspects}
    own = worker.queues
    return [
        AsideLane(name, queue, code, lane)
        for name, queue, code, lane, any_task in tx.execute(
            _OF_WORKER, {"ns": tx.ns, "worker": number}
        ).fetchall()
        if code in codes and (not any_task or own is None or name in own)
    ]


def is_any(lanes: Iterable[AsideLane], codes: Sequence[int]) -> bool:
    """Return True if one of these lanes has one of these numbers."""
    return any(lane.code in codes for lane in lanes)


def with_queues_of(
    lanes: Iterable[AsideLane], worker: Worker, ready: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    """Iterate over queues (id and name) with something ready, and those of these lanes: in the worker's order.

    Queues that it does not serve come last, in alphabetical order.
    """
    places = {name: place for place, name in enumerate(worker.queues or ())}

    def order(queue: tuple[int, str]) -> tuple[int, str]:
        return places.get(queue[1], len(places)), queue[1]

    last = None
    for queue in merge(ready, sorted({(lane.queue, lane.name) for lane in lanes}, key=order), key=order):
        if queue != last:
            yield queue
        last = queue


def _lane(tx: Transaction, queue: str, code: int, task: str) -> Lane:
    return Lane(queue, code // 2, code % 2, takers(tx, task, queue))


def first_lanes(tx: Transaction) -> list[Lane]:
    """Return some lanes with something set aside, to wake workers for them."""
    return [_lane(tx, *row) for row in tx.execute(_FIRST, {"ns": tx.ns}).fetchall()]


def wake_for_queue(tx: Transaction, number: int, queue: str) -> None:
    """Wake workers for what is set aside in a queue, which has this id."""
    for code, task in tx.execute(_OF_QUEUE, (tx.ns, number)).fetchall():
        tx.wake(_lane(tx, queue, code, task))


def counts(tx: Transaction) -> list[Aside]:
    """Return how many messages are set aside, by queue and task."""
    return [Aside(*row) for row in tx.execute(_COUNTS, (tx.ns,)).fetchall()]
