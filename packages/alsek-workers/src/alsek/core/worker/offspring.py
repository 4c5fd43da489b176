"""What a child of the template does: run the messages that the engine gives it, one at a time, and answer.

::

    engine ── (RUN, claimed) ─────────────────────► child     run it
           ── (CHARGE, claimed, name, text) ──────►           it ended an earlier process: conclude it by this exception
           ◄── (outcome, verdict wanted) ─────────            what becomes of it
           ── (accepted,) ────────────────────────►           if wanted: whether the store has accepted that
"""

from __future__ import annotations

import socket
from typing import Any, Final

from alsek.core.hooks import run_hooks
from alsek.core.lifecycle import Attempt, Conclusion, attempt, bury, bury_unread, conclude, condemned, report
from alsek.core.message import Claim, Message
from alsek.core.session import Session
from alsek.core.status import TaskStatus
from alsek.core.worker.aftermath import charged
from alsek.core.worker.board import Board
from alsek.core.worker.children import EXIT_NOT_STARTED
from alsek.core.worker.frames import Frames, outcome_to_wire, pack, receive
from alsek.core.worker.jobs import unknown_task
from alsek.core.worker.options import PoolOptions
from alsek.exceptions import (
    CorruptMessageError,
    MessageRevokedError,
    TaskError,
    TaskTimeoutError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Outcome, Worker

RUN: Final = "run"
CHARGE: Final = "charge"

#: What a message can be charged with: exceptions cross processes as a name and a text.
CHARGES: Final[dict[str, type[TaskError]]] = {
    kind.__name__: kind for kind in (TaskTimeoutError, WorkerLostError, MessageRevokedError)
}


class Offspring:
    """Runs in the child.

    Args:
        pool: The pool's options.
        board: Of the engine: it tells under which id the claims are held.
        most_tasks: End after so many.
    """

    def __init__(self, pool: PoolOptions, board: Board, most_tasks: int) -> None:
        self._pool = pool
        self._board = board
        self._most_tasks = most_tasks

    def rehearse(self) -> None:
        """In the template: do once what every child would do for the first time, so that it finds it done."""
        serializer = self._pool.broker.backend.serializer
        for task in self._pool.tasks.values():
            task.wants_message()
        payload = Message("rehearsal").pack(serializer)
        Message.unpack("rehearsal", "rehearsal", payload, serializer)

    def main(self, engine: socket.socket) -> int:
        """Serve until told to end, or `most_tasks` are done; the exit code."""
        if not run_hooks(self._pool.hooks, "start"):
            return EXIT_NOT_STARTED
        frames = Frames()
        for _ in range(self._most_tasks):
            request = receive(engine, frames)
            if request is None:
                break
            claimed = Claimed(*request[1])
            outcome, tell = self._serve(request[0], claimed, request[2:])
            engine.sendall(pack((outcome_to_wire(outcome), tell is not None)))
            if tell is not None:
                verdict = receive(engine, frames)
                if verdict is None:
                    break
                if verdict[0]:
                    report(*tell)
        run_hooks(self._pool.hooks, "stop")
        return 0

    def _serve(
        self, what: str, claimed: Claimed, charge: tuple[str, ...]
    ) -> tuple[Outcome, tuple[Any, Message, TaskStatus] | None]:
        """The outcome, and what a tracker is to be told that the store does not write itself."""
        broker = self._pool.broker
        try:
            message = Message.unpack(claimed.uuid, claimed.queue, claimed.payload, broker.backend.serializer)
        except CorruptMessageError as error:
            return bury_unread(claimed, error, broker.dlq_ttl), None
        message.claim = Claim(self._session(), claimed.token)
        task = self._pool.tasks.get(message.task_name)
        if task is None:
            return bury(None, message, unknown_task(message, self._pool.tasks), broker).outcome, None
        doom = CHARGES[charge[0]](charge[1]) if what == CHARGE else condemned(claimed, self._pool.max_losses)
        if doom is not None and (what != CHARGE or isinstance(doom, MessageRevokedError)):
            conclusion: Conclusion = bury(task, message, doom)
        elif doom is not None:
            conclusion = conclude(task, message, Attempt(exception=doom))
        else:
            report(task, message, TaskStatus.RUNNING)
            conclusion = conclude(task, message, attempt(task, message))
        elsewhere = task.status_tracker is not None and not message.status_ttl
        return conclusion.outcome, (task, message, conclusion.status) if elsewhere else None

    def _session(self) -> Session:
        worker_id = self._board.worker_id or ""
        return Session(self._pool.broker.backend, Worker(worker_id, "process", None, self._pool.lease, 0))


def outcome_without_hooks(
    pool: PoolOptions, worker: Worker, claimed: Claimed, name: str, text: str
) -> Outcome:
    """What becomes of a charged message when even the child that was to conclude it failed: `max_retries` decides."""
    return charged(pool, worker, claimed, CHARGES[name](text), with_hooks=False)
