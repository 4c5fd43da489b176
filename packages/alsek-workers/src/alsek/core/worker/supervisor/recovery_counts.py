"""Counting what a recovery has concluded. The worker whose messages these were can't hand it over any longer."""

from __future__ import annotations

from collections.abc import Iterable

from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.worker.engine.tally import Tally
from alsek.core.worker.monitor.count_reports import CountReports
from alsek.core.worker.options import PoolOptions
from alsek.exceptions import BackendError
from alsek.storage.backends.records import HistoryCounts, Outcome, Worker

log = guarded_logger(__name__)


def hand_over_counts(pool: PoolOptions, dead: Worker, concluded: Iterable[tuple[str, Outcome]]) -> None:
    """Count outcomes that the store has accepted from a recovery: for the store's history, and for the pool's monitor.

    For the store a worker is registered that does nothing else. What it can't hand over now is lost.

    Args:
        pool: The pool's options.
        dead: The worker that held the messages.
        concluded: Each outcome, with the name of the message's task; empty if that is not known.
    """
    tallies: dict[tuple[str, str], Tally] = {}
    for task, outcome in concluded:
        tally = tallies.setdefault((outcome.queue, task), Tally())
        tally.unmeasured += 1
        tally.add_other(outcome, (outcome.uuid,), attempted=True)
    history = [HistoryCounts(*names, tally.packed()) for names, tally in tallies.items()]
    if not history:
        return
    if pool.channel is not None:
        CountReports(pool.channel).send(history)
    session = WorkerSession(pool.broker.backend, dead)
    try:
        session.register()
        try:
            session.step((), {}, history)
        finally:
            session.retire()
    except BackendError as error:
        log.warning("What was counted of the messages of worker %s is lost: %s", dead.id, error)
