"""The children of a template, as their engine sees them: ordered ahead of need, let go, and buried.

A child's life, as seen from here::

    ordered ─► born ─► (its start hooks) ─► spare ─► has jobs ─► answered ─► let go ─► died
                                              ▲                     │
                                              └─────────────────────┘ up to `tasks_per_process` times

It may die at any point of it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, NoReturn

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.worker.child_process import EXIT_NOT_STARTED, describe_exit
from alsek.core.worker.process_executor.frames import FrameReader, pack, socket_of
from alsek.core.worker.process_executor.start_permits import StartPermits
from alsek.core.worker.process_executor.task_process import TaskProcess
from alsek.core.worker.process_executor.template import BORN, DIED, FORK, KILL

log = guarded_logger(__name__)

#: How long (ms) the hooks of a charged message may take, and what comes after a process's last task.
PATIENCE = 5_000
#: Spares are forked ahead up to this many: while a task runs, the next one's process is made.
SPARES = 2

#: So many forks may be under way at once: neither the template nor this side can then wait for the other to read.
_MOST_ORDERED = 16
#: A template that says nothing for so long (ms), though asked, has been stopped, or hangs.
_TEMPLATE_HANGS = 30_000
_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 500, 30_000


class TaskProcessManager:
    """Has children forked, and keeps account of them.

    Args:
        template: The socket to the template.
        size: How many are to run jobs at once.
        permits: For each child that may live at once, if they are given jobs ahead; else empty.
        begins: They say when they are ready.
        hooks: What they run before, for a sentence about one that ends there.

    Attributes:
        children: All that live, by pid.
        spares: Those that wait for a job.
        pause_until: No child is forked before (monotonic ms), since the last ones failed; 0 while all is well.
    """

    def __init__(
        self,
        template: socket.socket,
        size: int,
        permits: Sequence[StartPermits],
        begins: bool,
        hooks: str = "",
    ) -> None:
        self.children: dict[int, TaskProcess] = {}
        self.spares: deque[TaskProcess] = deque()
        self.pause_until = 0
        self._template = template
        self._spares_wanted = min(SPARES, size)
        self._permits = permits
        self._begins = begins
        self._hooks = hooks
        self._lanes = list(range(len(permits)))
        self._ordered: deque[int | None] = deque()  # the lane of each, oldest first
        self._starting: set[TaskProcess] = set()
        self._frames = FrameReader()
        self._descriptors: deque[int] = deque()
        self._heard_at = 0
        self._pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        self._closing = False

    @property
    def full(self) -> bool:
        """As many live, or are about to, as may."""
        return bool(self._permits) and not self._lanes

    @property
    def expected(self) -> bool:
        """Whether any lives, or is about to."""
        return bool(self.children or self._ordered)

    @property
    def barren(self) -> bool:
        """Whether the last that were forked did not start, and none is left that did."""
        return self._pauses.count > 0 and not self.spares

    @property
    def failing(self) -> bool:
        """Whether none started, time after time."""
        return self._pauses.count > 1

    def fileno(self) -> int:
        """Readable when there is something to hear."""
        return self._template.fileno()

    def order(self, jobs: int) -> None:
        """Have as many forked as are missing when so many jobs wait for a process, and some are to be spare."""
        if self._closing or self.pause_until or self.full:
            return
        coming = len(self._ordered) + len(self._starting)
        missing = min(
            jobs + self._spares_wanted - len(self.spares) - coming, _MOST_ORDERED - len(self._ordered)
        )
        if self._permits:
            missing = min(missing, len(self._lanes))
        for _ in range(missing):
            if not self._ordered:
                self._heard_at = monotonic_ms()
            lane = self._lanes.pop() if self._permits else None
            self._ordered.append(lane)
            self._ask(FORK, lane)

    # ── what comes in ──────────────────────────────────────────────────────────────────────────

    def hear(self) -> tuple[list[TaskProcess], list[tuple[TaskProcess, int]]]:
        """Take in what the template says: the children that were born; those that have ended, and how."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._template, 65536, 64)
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            _end_with_template("has died")
        self._heard_at = monotonic_ms()
        self._descriptors.extend(descriptors)
        self._frames.feed(data)
        born: list[TaskProcess] = []
        ended: list[tuple[TaskProcess, int]] = []
        while (event := self._frames.take()) is not None:
            if event[0] == BORN:
                born += self._welcome(event[1])
            elif event[0] == DIED:
                child = self.children.pop(event[1], None)
                if child is not None:
                    child.alive = False
                    ended.append((child, event[2]))
            else:
                self._free(self._ordered.popleft())
                self._wait_to_fork(f"No process can be forked ({event[1]})")
        return born, ended

    def _welcome(self, pid: int) -> list[TaskProcess]:
        lane = self._ordered.popleft()
        if not self._descriptors:  # the kernel had none left for this process, and threw the socket away
            self._free(lane)
            self.kill(pid, signal.SIGKILL)
            self._wait_to_fork("No file descriptor is left for another process's socket")
            return []
        connection = socket_of(self._descriptors.popleft())
        permits = None if lane is None else self._permits[lane]
        child = TaskProcess(pid, connection, not self._begins, permits, lane)
        self.children[pid] = child
        if self._closing:
            self.let_go(child)
        elif child.ready:
            self.spares.append(child)
        else:
            self._starting.add(child)
        return [child]

    def ready(self, child: TaskProcess) -> None:
        """A child's start hooks have run."""
        child.ready = True
        self._starting.discard(child)
        if child.alive:
            self.spares.append(child)

    def served(self, child: TaskProcess) -> None:
        """A child has run a job: whatever failed before, they do start."""
        self._pauses.reset()

    def bury(self, child: TaskProcess, status: int, *, had_jobs: bool) -> None:
        """A child has ended, and what it had in hand has been taken from it."""
        told_to_end = child.let_go
        self.let_go(child)
        if child in self.spares:
            self.spares.remove(child)
        self._starting.discard(child)
        self._free(child.lane)
        if status == EXIT_NOT_STARTED and not child.ready:
            self._wait_to_fork("A task process did not start")
        elif not told_to_end and not had_jobs and not child.served:
            hooks = "" if child.ready else self._hooks
            self._wait_to_fork(f"A task process {describe_exit(status)} before it had a task{hooks}")

    def _free(self, lane: int | None) -> None:
        if lane is not None:
            self._permits[lane].take_back()
            self._lanes.append(lane)

    def _wait_to_fork(self, why: str) -> None:
        if self.pause_until:  # of several that failed together, one counts
            return
        pause = int(self._pauses.next())
        self.pause_until = monotonic_ms() + pause
        log.error("%s: trying again in %.1f s.", why, pause / 1000)

    # ── what goes out ──────────────────────────────────────────────────────────────────────────

    def let_go(self, child: TaskProcess) -> None:
        """No more is expected of a child but its end, soon: what closes tells an idle one to end too."""
        child.connection.close()
        child.let_go = True
        if child.alive and not child.kill_at:
            child.kill_at = monotonic_ms() + PATIENCE

    def kill(self, pid: int, number: int) -> None:
        """Signal a child, if it still is one."""
        self._ask(KILL, pid, int(number))

    def _ask(self, *request: Any) -> None:
        try:
            self._template.sendall(pack(request))
        except (BrokenPipeError, ConnectionResetError):
            _end_with_template("has died")

    # ── time ───────────────────────────────────────────────────────────────────────────────────

    def enforce(self, now: int) -> None:
        """Kill what was to end and has not; end with a template that hangs."""
        for child in self.children.values():
            if child.kill_at and now >= child.kill_at:
                child.kill_at = 0
                if child.let_go:
                    log.error("Process %d does not end after its last task: it is killed.", child.pid)
                self.kill(child.pid, signal.SIGKILL)
        if self._ordered and now >= self._heard_at + _TEMPLATE_HANGS:
            _end_with_template("does not answer")
        if self.pause_until and now >= self.pause_until:
            self.pause_until = 0

    def wakes(self) -> list[int]:
        """When :meth:`enforce` is needed (monotonic ms)."""
        wakes = [child.kill_at for child in self.children.values() if child.kill_at]
        if self.pause_until:
            wakes.append(self.pause_until)
        if self._ordered:
            wakes.append(self._heard_at + _TEMPLATE_HANGS)
        return wakes

    def close(self) -> None:
        """Fork no more, and let all children end."""
        self._closing = True
        for child in list(self.children.values()):
            self.let_go(child)


def _end_with_template(how: str) -> NoReturn:
    log.critical("The template process %s: the engine ends with it, and both are started anew.", how)
    os._exit(70)
