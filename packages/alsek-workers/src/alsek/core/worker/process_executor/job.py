"""A job of a process pool: one claim, from when the store handed it out until the store has accepted its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alsek.core.worker.process_executor.charge import Charge
from alsek.storage.backends.records import Claimed, Outcome, Worker

if TYPE_CHECKING:
    from alsek.core.worker.process_executor.task_process import TaskProcess


class ProcessJob:
    """A job.

    Attributes:
        claimed: The claim.
        entry: Its number in the shared state.
        worker: What the claim's worker is registered as.
        worker_id: The worker's id.
        outcome: How the message ends, once that is known.
        process: The process that it was sent to; None while it waits.
        number: Which of the jobs that its process was sent it is.
        charge: The exception that the message ends with; None if its task is to be run.
        verdict_wanted: Its process waits for the verdict: whether the store has accepted the outcome.
        task_name: The name of its task; empty until a process has answered.
        ready_at: As in :class:`~alsek.core.execution.delivery.Delivery`; None if no attempt was started, and has ended.
        started_at: When the attempt was started (monotonic ms).
        elapsed_ns: How long it took, hooks, result store and tracker included.
        attempt_lost: Its process was lost after it had started the attempt.
        repeated: It was sent to a second process, since the first died before it had started the job.
        shares_process: A process may end it that has ended others, or will: see
            :mod:`~alsek.core.worker.process_executor.shared_processes`.
    """

    __slots__ = (
        "attempt_lost",
        "charge",
        "claimed",
        "elapsed_ns",
        "entry",
        "number",
        "outcome",
        "process",
        "ready_at",
        "repeated",
        "shares_process",
        "started_at",
        "task_name",
        "verdict_wanted",
        "worker",
        "worker_id",
    )

    def __init__(self, claimed: Claimed, entry: int, worker: Worker, *, shares_process: bool = False) -> None:
        self.claimed = claimed
        self.entry = entry
        self.worker = worker
        self.worker_id = worker.id
        self.outcome: Outcome | None = None
        self.process: TaskProcess | None = None
        self.number = 0
        self.charge: Charge | None = None
        self.verdict_wanted = False
        self.task_name = ""
        self.attempt_lost = False
        self.ready_at: int | None = None
        self.started_at = self.elapsed_ns = 0
        self.repeated = False
        self.shares_process = shares_process
