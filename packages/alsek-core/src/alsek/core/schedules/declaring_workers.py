"""Which schedules the code of live workers declares."""

from __future__ import annotations

from collections.abc import Iterable

from alsek.storage.backends.records import WorkerRecord


def names_declared(workers: Iterable[WorkerRecord], now: int) -> frozenset[str]:
    """Return the names of the schedules that the code of some live worker declares.

    Args:
        workers: The registered workers.
        now: The time on the store's clock.
    """
    return frozenset(
        name
        for worker in workers
        if worker.facts is not None and worker.lease_end > now
        for name in worker.facts.schedules
    )
