"""What a child of the template does: run the messages that the engine gives it, one at a time, and answer.

::

           ◄── (READY,) ───────────────────────────         its start hooks have run; not sent where there are none
    engine ── (job, job, …) ──────────────────────► child     run them in turn; one with a charge has ended an earlier
                                                              process: conclude it by that exception
           ◄── (outcome, verdict wanted) ─────────            what becomes of one, before the next is begun
           ── accepted ───────────────────────────►           if wanted: whether the store has accepted that
           ◄── (TOLD,) ────────────────────────────           then trackers were told, and the next is begun

When a job is begun, and until when it must have ended, the child writes in the shared state, before any user code.

SIGTERM ends the child if the engine sends it, because its job is overdue or revoked, or if somebody else sends it to
this process. But a service manager that stops the pool may send it to every process of it at once, and what runs is to
finish then, as if only the pool had been told. See :meth:`TaskRunner.terminated`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.execution import forks
from alsek.core.execution.attempts import Attempt, attempt
from alsek.core.execution.conclusions import Conclusion, conclude, dead_letter
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import ReadOnlySession, WorkerSession
from alsek.core.execution.status_reports import (
    StatusReport,
    pending_reports,
    report_status,
    send_report,
)
from alsek.core.hooks import run_hooks
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import Task
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.child_process import EXIT_NOT_STARTED
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.engine_connection import EngineConnection, JobRequest
from alsek.core.worker.process_executor.frames import outcome_to_wire, pack, socket_pair
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import STOP_REACHES_ALL_MS
from alsek.exceptions import (
    MessageRevokedError,
    SerializationError,
    TaskError,
    TaskTimeoutError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Died, Outcome, Worker

log = guarded_logger(__name__)

READY: Final = "ready"
TOLD: Final = "told"

#: How long (ms) it may take to open a message, before its own timeout is known.
_OPEN_WITHIN = 5_000
#: After so many times the interpreter knows by heart how to run a piece of code.
_REHEARSALS = 32

#: What a message can be charged with: exceptions cross processes as a name and a text.
CHARGES: Final[dict[str, type[TaskError]]] = {
    kind.__name__: kind for kind in (TaskTimeoutError, WorkerLostError, MessageRevokedError)
}


class TaskRunner:
    """Runs in the child.

    Args:
        pool: The pool's options.
        state: Of the engine: it tells under which id the claims are held, and is told which job is run.
        most_tasks: End after so many.
        bell: Wakes the engine.
        permits: For each process that may be sent jobs ahead, what tells whether it may begin them.
    """

    def __init__(
        self,
        pool: PoolOptions,
        state: SharedState,
        most_tasks: int,
        bell: WakeupPipe,
        permits: Sequence[StartPermits] = (),
    ) -> None:
        self._pool = pool
        self._state = state
        self._most_tasks = most_tasks
        self._bell = bell
        self._permits = permits
        self._pid = 0
        #: Of the job that is run.
        self._entry: int | None = None

    def rehearse(self) -> None:
        """In the template: do what every child would do for the first time, so that it finds it done.

        What the interpreter keeps with the code that it runs would else be written, and its memory copied, in each.
        """
        serializer = self._pool.broker.backend.serializer
        try:
            for task in self._pool.tasks.values():
                task.wants_message()
            payload = Message("rehearsal").pack(serializer)
            Message.unpack("rehearsal", "rehearsal", payload, serializer)
            self._rehearse_serving(Claimed("rehearsal", "rehearsal", payload, 0))
        except Exception:  # each message will tell whether it matters
            log.warning("The rehearsal of the tasks failed.", exc_info=True)

    def _rehearse_serving(self, claimed: Claimed) -> None:
        """Serve messages of a task that does nothing, in a line that leads nowhere."""
        task = Task(_nothing, self._pool.broker, name="rehearsal")
        pool = replace(self._pool, tasks={task.name: task}, hooks=())
        state, bell = SharedState(1), WakeupPipe()
        engine, process = socket_pair()
        heard = logging.root.manager.disable
        logging.disable(logging.CRITICAL)  # it would tell of messages that there are not
        try:
            engine.sendall(pack(tuple((n, 0, tuple(claimed), None) for n in range(_REHEARSALS))))
            TaskRunner(pool, state, _REHEARSALS, bell).main(process)
        finally:
            logging.disable(heard)
            for each in (engine, process, state, bell):
                each.close()

    def main(self, engine: socket.socket, lane: int | None = None) -> int:
        """Serve until told to end, or `most_tasks` are done; the exit code.

        Args:
            engine: The socket to it.
            lane: Which of the permits are this process's.
        """
        self._pid = os.getpid()
        line = EngineConnection(engine, self._bell, self._own_permits(lane))
        if not run_hooks(self._pool.hooks, "start"):
            return EXIT_NOT_STARTED
        self._end_forks()
        contexts = Contexts()
        if begins(self._pool):
            line.say((READY,))
        for _ in range(self._most_tasks):
            given = line.next()
            if given is None:
                break
            self._entry = given.entry
            context = contexts.fresh()
            frame, debts = context.run(self._serve, given)
            self._end_forks()
            self._entry = None
            line.answer(frame)
            if debts:
                verdict = line.verdict()
                if verdict is None:
                    break
                for debt in debts if verdict else ():
                    context.run(send_report, debt)
                self._end_forks()
                line.answer(pack((TOLD,)))
        line.end()
        run_hooks(self._pool.hooks, "stop")
        return 0

    def _own_permits(self, lane: int | None) -> StartPermits | None:
        """This process's permits; what it needs nothing of is closed."""
        for number, permits in enumerate(self._permits):
            permits.close(taken=number != lane)
        return None if lane is None else self._permits[lane]

    def _serve(self, given: JobRequest) -> tuple[bytes, list[StatusReport]]:
        """The answer, and what trackers are to be told that the store does not write itself."""
        began, charge, claimed = monotonic_ms(), given.charge, Claimed(*given.claimed)
        self._state.start_task(given.entry, began + (_OPEN_WITHIN if charge is None else charge[2]))
        broker = self._pool.broker
        max_losses = self._pool.max_losses if charge is None else None
        opened = open_claimed(claimed, self._session(), broker, self._pool.tasks, max_losses)
        if isinstance(opened, Died):
            return _answer(opened, False), []
        delivery, task, rejection = opened
        if charge is None:
            self._state.start_task(given.entry, began + delivery.timeout)
        if task is None or rejection is not None:
            assert rejection is not None
            conclusion: Conclusion = dead_letter(task, delivery, rejection, broker)
        elif charge is None:
            report_status(task, delivery, TaskStatus.RUNNING)
            made = attempt(task, delivery)
            self._end_forks()
            conclusion = conclude(task, delivery, made)
        else:
            conclusion = conclude(task, delivery, Attempt(exception=CHARGES[charge[0]](charge[1])))
        debts = pending_reports(self._pool.tasks, task, delivery, conclusion)
        try:
            frame = _answer(conclusion.outcome, bool(debts))
        except (TypeError, ValueError) as error:
            # A callback's priority is no number, for example: the function ran, but the outcome can't be sent.
            unsendable = SerializationError(f"the outcome of {delivery.summary} can't be sent: {error}")
            conclusion = dead_letter(task, delivery, unsendable, broker)
            debts = pending_reports(self._pool.tasks, task, delivery, conclusion)
            frame = _answer(conclusion.outcome, bool(debts))
        return frame, debts

    def terminated(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM: end by it, unless the pool is being stopped and the engine has not sent it.

        Which process hears of a stop first is chance. So it waits a moment for the engine to say that it was told, too.
        A handler, rather than an ignored or blocked signal: a program that the task starts meets SIGTERM as ever.
        """
        until = monotonic_ms() + STOP_REACHES_ALL_MS
        while not (self._entry is not None and self._state.is_terminating(self._entry)):
            if self._state.stopping:
                return
            if monotonic_ms() >= until:
                break
            time.sleep(0.005)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _end_forks(self) -> None:
        """End what a task or a hook has forked and what came back from it: it is no part of the pool."""
        if os.getpid() != self._pid:
            forks.leave()

    def _session(self) -> WorkerSession:
        worker_id = self._state.worker_id or ""
        return ReadOnlySession(
            self._pool.broker.backend, Worker(worker_id, "process", None, self._pool.lease, 0)
        )


def _answer(outcome: Outcome, verdict_wanted: bool) -> bytes:
    return pack((outcome_to_wire(outcome), verdict_wanted))


def _nothing() -> None: ...


def begins(pool: PoolOptions) -> bool:
    """Whether a child has something to do before it is ready for a message."""
    return any(hook.when == "start" for hook in pool.hooks)


def outcome_without_hooks(
    pool: PoolOptions, worker: Worker, claimed: Claimed, name: str, text: str
) -> Outcome:
    """What becomes of a charged message when even the child that was to conclude it failed: `max_retries` decides."""
    return conclude_charged(pool, worker, claimed, CHARGES[name](text), with_hooks=False).outcome
