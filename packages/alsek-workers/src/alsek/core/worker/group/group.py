"""A group: one process with an engine of its own, and what runs the engine's jobs: here, threads."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from alsek.core.clock import real_time as time
from alsek.core.execution.session import WorkerSession
from alsek.core.hooks import run_hooks
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED, ParentPipes
from alsek.core.worker.engine.engine import Engine
from alsek.core.worker.engine.executor import Executor, J
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.forking import disown_forks
from alsek.core.worker.group.log_handler_locks import guard_handlers
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import leave_stop_to_supervisor
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.exceptions import BackendError
from alsek.storage.backends.records import Worker

log = guarded_logger(__name__)

#: Pauses between attempts to register, while the store is away.
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 100, 5_000


@dataclass(frozen=True, kw_only=True)
class WorkerGroupOptions:
    """What a group is told beyond the pool's options.

    Attributes:
        slots: How many tasks it runs at once.
        wait_for_threads: A slot is taken until its thread has ended.
        max_tasks: Be replaced after so many tasks.
        max_memory: Be replaced when larger than so many MiB.
        suspects_only: Run suspects, one at a time, until there are none.
        isolated: Each task runs in a process of its own, below the group's; none can hurt the group.
    """

    slots: int
    wait_for_threads: bool = False
    max_tasks: int | None = None
    max_memory: int | None = None
    suspects_only: bool = False
    isolated: bool = False

    @property
    def max_claims(self) -> int:
        """How many messages it may have under way."""
        return self.slots


def new_shared_state(options: WorkerGroupOptions) -> SharedState:
    """Create the shared state of a group.

    It has entries for all claims (running, prefetched, finished, just claimed), and for those that are no longer claims
    while user code may still run for them: in abandoned threads, or telling a tracker.
    """
    state = SharedState(12 * options.max_claims + 16)
    state.limit = options.max_claims
    return state


class WorkerGroup(ABC, Generic[J]):
    """Runs in the child; see :func:`~alsek.core.worker.child_process.fork_watched`.

    Args:
        pool: The pool's options.
        options: What a group is told beyond them.
        state: What the supervisor sees.
    """

    def __init__(self, pool: PoolOptions, options: WorkerGroupOptions, state: SharedState) -> None:
        self._pool = pool
        self._options = options
        self._state = state
        self._told_to_stop = False
        self._engine: Engine[J] | None = None

    def _fork_first(self, inherited: ParentPipes) -> None:
        """What is forked before there are threads, connections and handlers."""

    @abstractmethod
    def _begin(self) -> bool:
        """What comes before the first task; False if the group can't start."""

    @abstractmethod
    def _finish(self) -> None:
        """What comes after the last."""

    @abstractmethod
    def _worker(self) -> Worker:
        """What to register as."""

    @abstractmethod
    def _make_executor(self) -> Executor[J]:
        """What runs the jobs."""

    def main(self, inherited: ParentPipes) -> int:
        """Serve until told to stop; the exit code."""
        self._fork_first(inherited)
        disown_forks(self._stop)
        self._listen(inherited)
        if not self._begin():
            return EXIT_NOT_STARTED
        self._handle_signals()  # again: the user's start hooks may have set some of their own
        session = WorkerSession(self._pool.broker.backend, self._worker())
        if not self._register(session):
            self._state.clear_worker()
            self._finish()
            return EXIT_DRAINED
        self._state.set_worker(session.worker.id)
        executor = self._make_executor()
        self._engine = Engine(
            session,
            executor,
            self._state,
            EngineOptions(
                dlq_ttl=self._pool.broker.dlq_ttl,
                slot_wait_interval=self._pool.slot_wait_interval,
                max_tasks=self._options.max_tasks,
                suspects_only=self._options.suspects_only,
                is_too_large=self._too_large,
            ),
            self._wakeup,
            inherited.notify,
        )
        if not self._told_to_stop:
            self._engine.run()
        executor.shut_down()
        self._retire(session)
        self._finish()
        return EXIT_DRAINED if self._told_to_stop or self._options.suspects_only else EXIT_RECYCLED

    # ── signals ────────────────────────────────────────────────────────────────────────────────

    def _listen(self, inherited: ParentPipes) -> None:
        """Handle SIGTERM and the parent's death."""
        self._wakeup = WakeupPipe()
        self._handle_signals()
        threading.Thread(
            target=_die_with_parent, args=(inherited.lifeline,), name="alsek-lifeline", daemon=True
        ).start()

    def _handle_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup.writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        leave_stop_to_supervisor()

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True
        # At once, whatever the engine waits for: its processes may have the same signal.
        self._state.stopping = 1
        if self._engine is not None:
            self._engine.drain()

    # ── the store ──────────────────────────────────────────────────────────────────────────────

    def _register(self, session: WorkerSession) -> bool:
        """Register, however long the store is away; False if told to stop meanwhile."""
        pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        while not self._told_to_stop:
            try:
                session.register()
            except BackendError as error:
                log.warning("%s", error)
            else:
                return True
            poll = select.poll()
            poll.register(self._wakeup, select.POLLIN)
            if poll.poll(pauses.next()):
                self._wakeup.read()  # any signal; unread, it would end each pause at once
        return False

    def _retire(self, session: WorkerSession) -> None:
        try:
            session.retire()
            self._state.clear_worker()
        except BackendError as error:
            log.warning("A group could not sign off: its supervisor does. %s", error)
        with contextlib.suppress(BackendError):
            self._pool.broker.backend.close()

    # ── the process ────────────────────────────────────────────────────────────────────────────

    def _too_large(self) -> bool:
        most = self._options.max_memory
        size = resident_mib()
        if most is None or size <= most:
            return False
        log.info("Group %d has grown to %d MiB (max_memory=%d): it is replaced.", os.getpid(), size, most)
        return True


class ThreadWorkerGroup(WorkerGroup[ThreadJob]):
    """A group that runs its jobs in threads."""

    def _begin(self) -> bool:
        guard_handlers()  # timeouts are raised in these threads
        return run_hooks(self._pool.hooks, "start")

    def _worker(self) -> Worker:
        return Worker(
            id="",
            kind="thread",
            queues=self._pool.queues,
            lease=self._pool.lease,
            dlq_ttl=self._pool.broker.dlq_ttl or 0,
            suspects="only" if self._options.suspects_only else "alone",
        )

    def _make_executor(self) -> ThreadExecutor:
        return ThreadExecutor(
            self._pool.tasks,
            self._pool.broker,
            self._state,
            self._options.slots,
            self._pool.max_losses,
            self._options.wait_for_threads,
        )

    def _finish(self) -> None:
        run_hooks(self._pool.hooks, "stop")


def resident_mib() -> int:
    """The memory that this process has now; where the system doesn't tell, the most that it had."""
    try:
        statm = Path("/proc/self/statm").read_bytes()
        return int(statm.split()[1]) * resource.getpagesize() // 2**20
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (2**20 if sys.platform == "darwin" else 2**10)


def _die_with_parent(lifeline: int) -> None:
    """In a thread: end this process at once when its parent is gone. Where the kernel does it, that is earlier."""
    while os.read(lifeline, 1):
        time.sleep(0)
    os._exit(1)
