"""The errors with which every store refuses a worker's call."""

from __future__ import annotations

from alsek.exceptions import BackendError, WorkerUnknownError
from alsek.storage.backends.records import Worker


def unknown_worker(worker: Worker) -> WorkerUnknownError:
    """The error for a call of a worker that is not registered, or no longer."""
    return WorkerUnknownError(
        f"worker {worker.id} is not registered: it never was, it was retired, or its lease of {worker.lease} ms ended "
        "and its messages went to other workers. It must register again, under a new id"
    )


def late_step(worker: Worker, seq: int, last: int | None) -> BackendError:
    """The error for a step whose number is lower than that of the worker's last step."""
    return BackendError(f"step {seq} of worker {worker.id} came after its step {last}")
