"""What a child of the template does: run the messages that the engine gives it, one at a time, and answer.

::

           ◄── (READY,) ───────────────────────────         its start hooks have run (not sent where there are none), or
                                                            its trackers have been told
    engine ── (RUN, claimed) ─────────────────────► child     run it
           ── (CHARGE, claimed, name, text) ──────►           it ended an earlier process: conclude it by this exception
           ◄── (outcome, verdict wanted) ─────────            what becomes of it
           ── (accepted,) ────────────────────────►           if wanted: whether the store has accepted that
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Final

from alsek.core.hooks import run_hooks
from alsek.core.lifecycle import (
    Attempt,
    Conclusion,
    Owed,
    attempt,
    bury,
    bury_unread,
    conclude,
    condemned,
    owed,
    report,
)
from alsek.core.message import Claim, Message
from alsek.core.session import ForeignSession, Session
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
    SerializationError,
    TaskError,
    TaskTimeoutError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Outcome, Worker

log = logging.getLogger(__name__)

READY: Final = "ready"
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
        self._pid = 0

    def rehearse(self) -> None:
        """In the template: do once what every child would do for the first time, so that it finds it done."""
        serializer = self._pool.broker.backend.serializer
        try:
            for task in self._pool.tasks.values():
                task.wants_message()
            payload = Message("rehearsal").pack(serializer)
            Message.unpack("rehearsal", "rehearsal", payload, serializer)
        except Exception:  # each message will tell whether it matters
            log.warning("The rehearsal of the tasks failed.", exc_info=True)

    def main(self, engine: socket.socket) -> int:
        """Serve until told to end, or `most_tasks` are done; the exit code."""
        self._pid = os.getpid()
        if not run_hooks(self._pool.hooks, "start"):
            return EXIT_NOT_STARTED
        self._end_forks()
        if begins(self._pool):
            engine.sendall(pack((READY,)))
        frames = Frames()
        for left in reversed(range(self._most_tasks)):
            request = receive(engine, frames)
            if request is None:
                break
            claimed = Claimed(*request[1])
            frame, debts = self._serve(request[0], claimed, request[2:])
            self._end_forks()
            engine.sendall(frame)
            if debts:
                verdict = receive(engine, frames)
                if verdict is None:
                    break
                for debt in debts if verdict[0] else ():
                    report(*debt)
                if not left or not _told(engine):
                    break
        run_hooks(self._pool.hooks, "stop")
        return 0

    def _serve(self, what: str, claimed: Claimed, charge: tuple[str, ...]) -> tuple[bytes, list[Owed]]:
        """The answer, and what trackers are to be told that the store does not write itself."""
        broker = self._pool.broker
        try:
            message = Message.unpack(claimed.uuid, claimed.queue, claimed.payload, broker.backend.serializer)
        except CorruptMessageError as error:
            return _answer(bury_unread(claimed, error, broker.dlq_ttl), False), []
        message.claim = Claim(self._session(), claimed.token)
        task = self._pool.tasks.get(message.task_name)
        if task is None:
            unknown = bury(None, message, unknown_task(message, self._pool.tasks), broker)
            return _answer(unknown.outcome, False), []
        doom = CHARGES[charge[0]](charge[1]) if what == CHARGE else condemned(claimed, self._pool.max_losses)
        if doom is not None and (what != CHARGE or isinstance(doom, MessageRevokedError)):
            conclusion: Conclusion = bury(task, message, doom)
        elif doom is not None:
            conclusion = conclude(task, message, Attempt(exception=doom))
        else:
            report(task, message, TaskStatus.RUNNING)
            made = attempt(task, message)
            self._end_forks()
            conclusion = conclude(task, message, made)
        debts = owed(self._pool.tasks, task, message, conclusion)
        try:
            frame = _answer(conclusion.outcome, bool(debts))
        except (TypeError, ValueError) as error:
            # A callback's priority, say, that is no number: the function ran, but what follows can't be told.
            conclusion = bury(
                task, message, SerializationError(f"what becomes of {message.summary}: {error}")
            )
            debts = owed(self._pool.tasks, task, message, conclusion)
            frame = _answer(conclusion.outcome, bool(debts))
        return frame, debts

    def _end_forks(self) -> None:
        """End what a task or a hook has forked and what came back from it: it is no part of the pool."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _session(self) -> Session:
        worker_id = self._board.worker_id or ""
        return ForeignSession(
            self._pool.broker.backend, Worker(worker_id, "process", None, self._pool.lease, 0)
        )


def _told(engine: socket.socket) -> bool:
    """Tell the engine that there is time for another job; False if it wants no more."""
    try:
        engine.sendall(pack((READY,)))
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _answer(outcome: Outcome, verdict_wanted: bool) -> bytes:
    return pack((outcome_to_wire(outcome), verdict_wanted))


def begins(pool: PoolOptions) -> bool:
    """Whether a child has something to do before it is ready for a message."""
    return any(hook.when == "start" for hook in pool.hooks)


def outcome_without_hooks(
    pool: PoolOptions, worker: Worker, claimed: Claimed, name: str, text: str
) -> Outcome:
    """What becomes of a charged message when even the child that was to conclude it failed: `max_retries` decides."""
    return charged(pool, worker, claimed, CHARGES[name](text), with_hooks=False)
