"""The task processes of an engine: forked ahead of need, released, signalled and reaped through the template.

The states of a process::

    requested ─► started ─► (its start hooks) ─► spare ─► has jobs ─► answered ─► released ─► exited
                                                   ▲                     │
                                                   └─────────────────────┘ up to `tasks_per_process` times

It may die in any of them.
"""

from __future__ import annotations

import signal
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.worker.child_process import EXIT_NOT_STARTED, describe_exit
from alsek.core.worker.process_executor.frames import socket_of
from alsek.core.worker.process_executor.shared_processes import SharedProcesses
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.process_executor.template import EXITED, STARTED
from alsek.core.worker.process_executor.template_connection import TemplateConnection

log = guarded_logger(__name__)

#: How long a released process may take to exit: its stop hooks run then.
EXIT_WITHIN_MS = 5_000
#: The most processes that wait for a job. They are forked ahead, while tasks run.
SPARES: Final = 2

#: The most forks requested at once: with more, the engine and the template could each wait for the other to read.
_MOST_REQUESTED: Final = 16
#: No more messages are claimed while this many processes do not exit, besides two for each that may run a job.
MOST_EXITING: Final = 8
_FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 500, 30_000


class TaskProcessManager:
    """Has processes forked, and tracks them until they have exited.

    Args:
        template: The socket to the template.
        size: How many processes are to run jobs at once.
        permits: For each process that may exist at once, if jobs are prefetched; else empty.
        has_start_hooks: Processes run start hooks, and send when they are ready.
        hooks: The names of the start hooks, for the log.

    Attributes:
        processes: Those that have not exited, by pid.
        spares: Those that wait for a job.
        shared: Those that wait for a message which will not run.
        take_spare: Removes and returns the one that has waited longest. (The method of the deque itself: it is called
            for each message.)
    """

    def __init__(
        self,
        template: socket.socket,
        size: int,
        permits: Sequence[StartPermits],
        has_start_hooks: bool,
        hooks: str = "",
    ) -> None:
        self.processes: dict[int, TaskProcess] = {}
        self.spares: deque[TaskProcess] = deque()
        self.shared = SharedProcesses()
        self.take_spare: Callable[[], TaskProcess] = self.spares.popleft
        self._template = TemplateConnection(template)
        self._size = size
        self._permits = permits
        self._has_start_hooks = has_start_hooks
        self._hooks = hooks
        self._free_permits = list(range(len(permits)))
        self._requested: deque[int | None] = deque()  # the index of the permits of each, oldest first
        self._starting: set[TaskProcess] = set()
        self._pauses = Pauses(_FIRST_PAUSE_MS, LONGEST_PAUSE_MS)
        self._pause_until = 0
        self._closing = False

    @property
    def at_capacity(self) -> bool:
        """True if as many processes as may exist have been requested."""
        return bool(self._permits) and not self._free_permits

    @property
    def any_left(self) -> bool:
        """True while a process exists or is about to."""
        return bool(self.processes or self._requested)

    @property
    def can_serve(self) -> bool:
        """False while processes do not start and none waits for a job, or while too many do not exit."""
        if self._pause_until or (self._pauses.count > 0 and not self.spares):
            return False
        return len(self.processes) <= 3 * self._size + MOST_EXITING

    @property
    def starts_fail(self) -> bool:
        """True if processes have failed to start several times in a row."""
        return self._pauses.count > 1

    def fileno(self) -> int:
        """Return a descriptor that is readable when the template has sent events."""
        return self._template.fileno()

    def request(self, jobs: int) -> None:
        """Request as many forks as are missing for this many waiting jobs and some spares."""
        if self._closing or self._pause_until or self.at_capacity:
            return
        coming = len(self._requested) + len(self._starting)
        missing = min(
            jobs + min(SPARES, self._size) - len(self.spares) - coming, _MOST_REQUESTED - len(self._requested)
        )
        if self._permits:
            missing = min(missing, len(self._free_permits))
        for _ in range(missing):
            index = self._free_permits.pop() if self._permits else None
            self._template.request_fork(index, first=not self._requested)
            self._requested.append(index)

    def receive_events(self) -> tuple[list[TaskProcess], list[tuple[TaskProcess, int]]]:
        """Read the template's events, and return the processes that have started, and those that exited with how."""
        started: list[TaskProcess] = []
        exited: list[tuple[TaskProcess, int]] = []
        for event in self._template.receive():
            if event[0] == STARTED:
                started += self._on_started(event[1])
            elif event[0] == EXITED:
                process = self.processes.pop(event[1], None)
                if process is not None:
                    process.alive = False
                    exited.append((process, event[2]))
            else:
                self._return_permits(self._requested.popleft())
                self._delay_forks(f"No process can be forked ({event[1]})")
        return started, exited

    def _on_started(self, pid: int) -> list[TaskProcess]:
        index = self._requested.popleft()
        if not self._template.descriptors:  # none was left in this process: the kernel has dropped the socket
            self._return_permits(index)
            self.signal(pid, signal.SIGKILL)
            self._delay_forks("No file descriptor is left for another process's socket")
            return []
        connection = socket_of(self._template.descriptors.popleft())
        permits = None if index is None else self._permits[index]
        process = TaskProcess(pid, connection, not self._has_start_hooks, permits, index)
        self.processes[pid] = process
        if self._closing:
            self.release(process)
        elif process.ready:
            self.spares.append(process)
        else:
            self._starting.add(process)
        return [process]

    def on_ready(self, process: TaskProcess) -> None:
        """A process's start hooks have run."""
        process.ready = True
        self._starting.discard(process)
        if process.alive:
            self.spares.append(process)

    def on_answer(self) -> None:
        """A process has answered a job: whatever failed before, processes do start."""
        self._pauses.reset()

    def on_served(self, process: TaskProcess, *, more: bool) -> None:
        """A process has answered all its jobs, and may serve `more` or not."""
        if not more:
            self.release(process)
        elif not process.shared:
            self.spares.append(process)
        elif process.excused:
            process.kill_at = monotonic_ms() + EXIT_WITHIN_MS
        else:
            self.shared.add(process)

    def on_reported(self, process: TaskProcess) -> None:
        """A process has sent the notices of the job that it has answered."""
        waited_for, process.excused = process.excused, False
        if waited_for and process.shared and process.alive:
            process.kill_at = 0
            self.shared.add(process)

    def on_exit(self, process: TaskProcess, status: int, *, had_jobs: bool) -> None:
        """A process has exited, and its jobs were taken from it."""
        was_released = process.released
        self.release(process)
        if process in self.spares:
            self.spares.remove(process)
        if process.shared:
            self.shared.discard(process)
        self._starting.discard(process)
        self._return_permits(process.permits_index)
        if status == EXIT_NOT_STARTED and not process.ready:
            self._delay_forks("A task process did not start")
        elif not was_released and not had_jobs and not process.served:
            hooks = "" if process.ready else self._hooks
            self._delay_forks(f"A task process {describe_exit(status)} before it had a task{hooks}")

    def _return_permits(self, index: int | None) -> None:
        if index is not None:
            self._permits[index].revoke()
            self._free_permits.append(index)

    def _delay_forks(self, why: str) -> None:
        if self._pause_until:  # of several that failed together, one counts
            return
        pause = int(self._pauses.next())
        self._pause_until = monotonic_ms() + pause
        log.error("%s: trying again in %.1f s.", why, pause / 1000)

    def return_spare(self, process: TaskProcess) -> None:
        """Keep a process for further jobs."""
        self.spares.append(process)

    def replace(self, process: TaskProcess) -> None:
        """Release a spare process that does not start jobs."""
        self.spares.remove(process)
        self.release(process)

    def release(self, process: TaskProcess) -> None:
        """Let a process exit: closing its socket ends an idle one. It is killed if that takes too long."""
        process.connection.close()
        process.released = True
        if process.alive and not process.kill_at:
            process.kill_at = monotonic_ms() + EXIT_WITHIN_MS

    def kill_blocked(self, process: TaskProcess) -> None:
        """Kill a process that does not read its socket."""
        log.error("Process %d does not read its socket: it is killed.", process.pid)
        self.signal(process.pid, signal.SIGKILL)

    def signal(self, pid: int, number: int) -> None:
        """Signal a process, if it has not exited."""
        self._template.signal(pid, number)

    def run(self, now: int) -> None:
        """Kill processes that have not exited in time; exit if the template hangs."""
        for process in self.processes.values():
            if process.kill_at and now >= process.kill_at:
                process.kill_at = 0
                if process.released:
                    log.error("Process %d does not end after its last task: it is killed.", process.pid)
                elif process.excused:
                    log.error(
                        "Process %d does not end with a tracker or middleware: it is killed.", process.pid
                    )
                self.signal(process.pid, signal.SIGKILL)
        for process in self.shared.take_overdue(now):
            self.release(process)
        if self._requested:
            self._template.check(now)
        if self._pause_until and now >= self._pause_until:
            self._pause_until = 0

    def wakes(self) -> list[int]:
        """Return the times at which :meth:`run` is needed (monotonic ms)."""
        wakes = [process.kill_at for process in self.processes.values() if process.kill_at]
        if self._pause_until:
            wakes.append(self._pause_until)
        if (overdue := self.shared.next_overdue) is not None:
            wakes.append(overdue)
        if self._requested:
            wakes.append(self._template.hangs_at)
        return wakes

    def close(self) -> None:
        """Fork no more processes, and release all."""
        self._closing = True
        for process in list(self.processes.values()):
            self.release(process)
