"""What the scripts are told of a worker: their first arguments, the same in each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alsek.storage.backends.records import Worker

#: Said in place of a worker's policy for suspects: it takes none now, because it holds messages of other partitions.
WITHOUT_SUSPECTS: Final = "none"


def worker_arguments(script: str, worker: Worker) -> tuple[bytes, ...]:
    """The first arguments of this script, as its head lists them."""
    return _ARGUMENTS[script.partition("+")[0]](worker)


def _with_lease(worker: Worker) -> tuple[bytes, ...]:
    return (worker.id.encode(), b"%d" % worker.lease)


def _with_queues(worker: Worker) -> tuple[bytes, ...]:
    """As ``shared/ready_sets.lua`` reads them."""
    queues = worker.queues
    return (
        worker.id.encode(),
        worker.kind.encode(),
        b"%d" % worker.lease,
        b"%d" % worker.dlq_ttl,
        worker.suspects.encode(),
        b"-1" if queues is None else b"%d" % len(queues),
        *(queue.encode() for queue in queues or ()),
    )


_ARGUMENTS: Final[dict[str, Callable[[Worker], tuple[bytes, ...]]]] = {
    "register": _with_lease,
    "renew": _with_lease,
    "step": _with_queues,
    "pass_on": _with_queues,
    "retire": lambda worker: (worker.id.encode(), b"%d" % worker.dlq_ttl),
    "held": lambda worker: (),
    "report": lambda worker: (),
}
