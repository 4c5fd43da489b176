"""What workers tell of themselves: written when they register and renew, read to be shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from alsek.storage.backends.records import (
    HeldClaim,
    Running,
    Worker,
    WorkerFacts,
    WorkerRecord,
    facts_of,
    running_of,
)
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.task_registry import list_tasks

_FIRST_SEEN: Final = (
    "INSERT INTO worker_facts (worker, registered_at) VALUES (?, ?) ON CONFLICT (worker) DO NOTHING"
)
_TOLD: Final = """
    UPDATE worker_facts SET kind = ?, queues = ?, facts = ?, any_task = ?, fires = ? WHERE worker = ?
"""
_RUNNING: Final = "UPDATE worker_facts SET running = ? WHERE worker = ?"

_ALL: Final = """
    SELECT w.id, w.name, abs(w.lease), w.lease_end, coalesce(f.registered_at, 0), f.kind, f.queues, f.facts, f.running
    FROM workers AS w LEFT JOIN worker_facts AS f ON f.worker = w.id
    WHERE w.ns = ? ORDER BY w.name
"""
_CLAIMS: Final = """
    SELECT c.worker, c.uuid, q.name, c.token
    FROM workers AS w CROSS JOIN claims AS c ON c.worker = w.id JOIN queues AS q ON q.id = c.queue
    WHERE w.ns = ? ORDER BY w.name, c.token
"""


def note(tx: Transaction, number: int, worker: Worker, facts: WorkerFacts | None) -> None:
    """Write what a worker, which has this id, tells when it registers. Without facts, what it told before stays."""
    tx.execute(_FIRST_SEEN, (number, tx.now))
    if facts is None:
        return
    any_task = facts.tasks is None
    told = (worker.kind, json.dumps(worker.queues), json.dumps(facts._asdict()), any_task, facts.fires)
    tx.execute(_TOLD, (*told, number))
    list_tasks(tx, number, facts.tasks or ())


def note_running(tx: Transaction, number: int, running: Sequence[Running]) -> None:
    """Write what a worker, by its id, runs now."""
    tx.execute(_RUNNING, (json.dumps(running, separators=(",", ":")), number))


def records(tx: Transaction) -> list[WorkerRecord]:
    """Return the registered workers, in order of id."""
    workers = tx.execute(_ALL, (tx.ns,)).fetchall()
    claims: dict[int, list[HeldClaim]] = {}
    for worker, *claim in tx.execute(_CLAIMS, (tx.ns,)).fetchall():
        claims.setdefault(worker, []).append(HeldClaim(*claim))
    return [_record(tuple(claims.get(number, ())), *columns) for number, *columns in workers]


def _record(
    claims: tuple[HeldClaim, ...],
    name: str,
    lease: int,
    lease_end: int,
    registered_at: int,
    kind: Any,
    queues: str | None,
    facts: str | None,
    running: str | None,
) -> WorkerRecord:
    names = None if queues is None else json.loads(queues)
    return WorkerRecord(
        name,
        lease,
        lease_end,
        registered_at,
        kind,
        None if names is None else tuple(names),
        None if facts is None else facts_of(json.loads(facts)),
        claims,
        () if running is None else running_of(json.loads(running)),
    )
