"""A worker group: one process with an engine, and an executor that runs the engine's jobs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from abc import ABC, abstractmethod
from functools import partial
from typing import Generic

from alsek.core.clock import real_time as time
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED, ParentPipes
from alsek.core.worker.engine.engine import Engine
from alsek.core.worker.engine.executor import Executor, J
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.forking import disown_forks
from alsek.core.worker.group.memory_use import resident_mib
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.scheduling.declaration import Declaration
from alsek.core.worker.scheduling.firing import make_fire
from alsek.core.worker.scheduling.firing_threads import FiringThreads
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import leave_stop_to_supervisor
from alsek.exceptions import BackendError
from alsek.storage.backends.records import Worker

log = guarded_logger(__name__)

#: Pauses between attempts to register, while the store is away.
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 100, 5_000


class WorkerGroup(ABC, Generic[J]):
    """Runs an engine in a child process of the supervisor.

    See :func:`~alsek.core.worker.child_process.fork_watched`.

    Args:
        pool: Settings of the pool.
        options: Settings of the group.
        state: Shared with the supervisor.
    """

    def __init__(self, pool: PoolOptions, options: WorkerGroupOptions, state: SharedState) -> None:
        self._pool = pool
        self._options = options
        self._state = state
        self._told_to_stop = False
        self._engine: Engine[J] | None = None
        self._stand_in: StandIn | None = None

    def _before_threads(self, inherited: ParentPipes) -> None:
        """Fork what is to be forked before this process has threads, connections and signal handlers."""

    @abstractmethod
    def _on_start(self) -> bool:
        """Run what comes before the first task. Returns False if the group can't start."""

    @abstractmethod
    def _on_stop(self) -> None:
        """Run what comes after the last task."""

    @abstractmethod
    def _worker(self) -> Worker:
        """Return what to register as, without an id."""

    @abstractmethod
    def _make_executor(self) -> Executor[J]:
        """Make the executor."""

    def main(self, inherited: ParentPipes) -> int:
        """Serve until told to stop, and return the exit code of the process."""
        self._before_threads(inherited)
        disown_forks(self._stop)
        self._wakeup = WakeupPipe()
        self._handle_signals()
        threading.Thread(
            target=_exit_with_parent, args=(inherited.lifeline,), name="alsek-lifeline", daemon=True
        ).start()
        if not self._on_start():
            return EXIT_NOT_STARTED
        self._handle_signals()  # again: start hooks may have set handlers of their own
        worker = self._worker()
        facts = self._pool.facts(worker.kind, self._options.all_slots)
        if self._options.suspects_only:
            facts = facts._replace(fires=False)
        session = WorkerSession(self._pool.broker.backend, worker, facts)
        session.is_stopping = self._is_stopping
        if not self._register(session):
            self._state.clear_worker()
            self._on_stop()
            return EXIT_DRAINED
        self._state.set_worker(session.worker.id)
        executor = self._make_executor()
        firing: FiringThreads | None = None
        if facts.fires:
            make = partial(make_fire, self._pool.broker, facts.schedules)
            declare = Declaration(self._pool, only_new=True).run if facts.schedules else None
            firing = FiringThreads(make, self._wakeup.notify, declare=declare)
        self._engine = Engine(
            session,
            executor,
            self._state,
            self._engine_options(),
            self._wakeup,
            inherited.notify,
            firing,
            self._stand_in,
        )
        if not self._told_to_stop:
            self._engine.run()
        if firing is not None:
            firing.end()
        executor.shut_down()
        self._retire(session)
        self._on_stop()
        return EXIT_DRAINED if self._told_to_stop or self._options.suspects_only else EXIT_RECYCLED

    def _engine_options(self) -> EngineOptions:
        return EngineOptions(
            dlq_ttl=self._pool.broker.dlq_ttl,
            slot_wait_interval=self._pool.slot_wait_interval,
            max_tasks=self._options.max_tasks,
            burst=self._pool.burst,
            suspects_only=self._options.suspects_only,
            channel=self._pool.channel,
            is_too_large=self._is_too_large,
        )

    def _handle_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup.writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        leave_stop_to_supervisor()

    def _stop(self, *_: object) -> None:
        """Handle SIGTERM."""
        self._told_to_stop = True
        # At once, even if the engine waits for the store: its processes may have received the same signal.
        self._state.stopping = 1
        if self._engine is not None:
            self._engine.drain()

    def _is_stopping(self) -> bool:
        """Return True if the group is to end, so that its tasks should."""
        return bool(self._state.draining or self._state.stopping)

    def _register(self, session: WorkerSession) -> bool:
        """Register, however long the store is away. Returns False if told to stop meanwhile."""
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
            log.warning("A group could not retire its worker: the supervisor does it. %s", error)
        with contextlib.suppress(BackendError):
            self._pool.broker.backend.close()

    def _is_too_large(self) -> bool:
        max_memory = self._options.max_memory
        if max_memory is None or (size := resident_mib()) <= max_memory:
            return False
        log.info(
            "Group %d has grown to %d MiB (max_memory=%d): it is replaced.", os.getpid(), size, max_memory
        )
        return True


def _exit_with_parent(lifeline: int) -> None:
    """Exit at once when the parent has ended. In a thread; on Linux the kernel ends the process earlier."""
    while os.read(lifeline, 1):
        time.sleep(0)
    os._exit(1)
