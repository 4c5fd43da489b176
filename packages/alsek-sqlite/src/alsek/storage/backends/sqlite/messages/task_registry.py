"""Which workers have which tasks, as they told when they registered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.sqlite.database.transaction import Transaction

_LIST: Final = "INSERT INTO worker_tasks (ns, task, worker) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_UNLIST: Final = "DELETE FROM worker_tasks WHERE worker = ?"
_IS_KNOWN: Final = """
    SELECT EXISTS (SELECT 1 FROM worker_tasks WHERE ns = :ns AND task = :task)
        OR EXISTS (SELECT 1 FROM gone_tasks WHERE ns = :ns AND task = :task AND until > :now)
"""
_HAVE_TASK: Final = """
    SELECT w.name FROM worker_tasks AS t JOIN workers AS w ON w.id = t.worker WHERE t.ns = ? AND t.task = ?
"""
_TAKE_ANY: Final = """
    SELECT w.name, f.queues FROM workers AS w JOIN worker_facts AS f ON f.worker = w.id
    WHERE w.ns = ? AND f.any_task
"""

_REMEMBER: Final = """
    INSERT INTO gone_tasks (ns, task, until)
    SELECT t.ns, t.task, ? + abs(w.lease) FROM workers AS w JOIN worker_tasks AS t ON t.worker = w.id WHERE w.id = ?
    ON CONFLICT (ns, task) DO UPDATE SET until = max(until, excluded.until)
"""
_DELETE_REMEMBERED: Final = "DELETE FROM gone_tasks WHERE ns = ? AND until <= ?"


def list_tasks(tx: Transaction, worker: int, tasks: Sequence[str]) -> None:
    """Write which tasks a worker, by its id, has; in place of those that it had before."""
    tx.execute(_UNLIST, (worker,))
    tx.executemany(_LIST, [(tx.ns, task, worker) for task in tasks])


def is_known(tx: Transaction, task: str) -> bool:
    """Return True if a worker has this task by name, or one had that was forgotten less than its lease ago."""
    (known,) = tx.execute(_IS_KNOWN, {"ns": tx.ns, "task": task, "now": tx.now}).fetchone()
    return bool(known)


def takers(tx: Transaction, task: str, queue: str) -> frozenset[str]:
    """Return the names of the workers that may claim what is set aside for a task in a queue."""
    names = {name for (name,) in tx.execute(_HAVE_TASK, (tx.ns, task)).fetchall()}
    for name, text in tx.execute(_TAKE_ANY, (tx.ns,)).fetchall():
        queues = json.loads(text)
        if queues is None or queue in queues:
            names.add(name)
    return frozenset(names)


def remember(tx: Transaction, worker: int) -> None:
    """Remember the tasks of a worker, by its id, that is about to be forgotten: for one lease more."""
    tx.execute(_DELETE_REMEMBERED, (tx.ns, tx.now))
    tx.execute(_REMEMBER, (tx.now, worker))
