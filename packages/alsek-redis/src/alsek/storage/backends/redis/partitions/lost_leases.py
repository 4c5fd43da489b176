"""A worker whose lease has ended in one partition alone, because that was away for longer than the lease lasts."""

from __future__ import annotations

from collections.abc import Set

from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError
from alsek.storage.backends.records import Worker, WorkerFacts
from alsek.storage.backends.redis.partitions.parts import Parts

log = guarded_logger(__name__)


def registered_again(
    parts: Parts, number: int, worker: Worker, facts: WorkerFacts | None, away: Set[int] = frozenset()
) -> bool:
    """Register a worker again in a partition that does not know it, if it has a lease in another one.

    What it held there goes to others, and its outcomes are refused there by their tokens. It keeps what it holds
    elsewhere, and its steps go on with their numbers. Returns False if it has no lease anywhere: then it was the worker
    that was away. Partitions that are `away` are not asked.

    Raises:
        BackendError: The partition can't take it now.
    """
    if not any(
        _has_lease(parts, other, worker) for other in range(len(parts)) if other not in {number, *away}
    ):
        return False
    log.warning(
        "The lease of worker %s has ended in partition %d, but not in others: what it held there goes to others.",
        worker.id,
        number,
    )
    parts.prompt[number].messages.register(worker, facts)
    return True


def _has_lease(parts: Parts, number: int, worker: Worker) -> bool:
    """Whether a worker has a lease in a partition that answers, and it has not ended."""
    part = parts.prompt[number]
    if part.link.outage_since is not None:
        return False
    try:
        now = part.messages.now()
        return any(each.id == worker.id and each.lease_end > now for each in part.messages.workers())
    except BackendError:
        return False
