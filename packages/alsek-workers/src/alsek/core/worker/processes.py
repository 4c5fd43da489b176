"""The processes of a process pool, as its engine sees them: one task a process, forked from a template.

Children that wait for work (*spares*) are forked ahead, so that a message need not wait for a fork.
A child that dies before it has answered has lost its message: a fresh child then decides what becomes of it, with
the task's own ``do_retry`` and hooks; should that fail too, `max_retries` alone decides, here.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import struct
from collections import deque
from collections.abc import Set
from typing import Any

from alsek.core.message import Message
from alsek.core.session import Session
from alsek.core.worker.board import Board
from alsek.core.worker.children import EXIT_NOT_STARTED, ending_of
from alsek.core.worker.frames import Frames, outcome_from_wire, pack
from alsek.core.worker.jobs import monotonic_ms
from alsek.core.worker.offspring import CHARGE, RUN, outcome_without_hooks
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.template import BORN, DIED, FORK, KILL
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Claimed, Outcome, Worker

log = logging.getLogger(__name__)

#: A child that ignores SIGTERM is killed so long (ms) after it.
KILL_AFTER = 900
#: How long (ms) the hooks of a charged message may take.
PATIENCE = 5_000
#: Spares are forked ahead up to this many: while a task runs, the next one's process is made.
SPARES = 2

_FIRST_PAUSE, _LONGEST_PAUSE = 500, 30_000
_SEND_TIMEOUT = struct.pack("ll", 10, 0)  # a struct timeval


class ProcessJob:
    """One claim, from when it was handed out until the store has accepted what became of it."""

    __slots__ = (
        "charge",
        "child",
        "claimed",
        "deadline",
        "entry",
        "outcome",
        "timeout",
        "verdict_wanted",
        "worker",
        "worker_id",
    )

    def __init__(self, claimed: Claimed, entry: int, worker: Worker) -> None:
        self.claimed = claimed
        self.entry = entry
        self.worker = worker
        self.worker_id = worker.id
        self.outcome: Outcome | None = None
        self.child: _Child | None = None
        self.timeout = 0
        self.deadline = 0
        #: The exception that it is charged with: name and text.
        self.charge: tuple[str, str] | None = None
        self.verdict_wanted = False


class _Child:
    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.connection = connection
        self.frames = Frames()
        self.job: ProcessJob | None = None
        self.served = 0
        self.doom: tuple[str, str] | None = None
        self.kill_at = 0


class ProcessCrew:
    """Up to `size` processes that run jobs, and hand them back finished. The engine alone calls it.

    Args:
        pool: The pool's options.
        board: Where starts and ends are written.
        size: How many jobs at once.
        tasks_per_process: How many jobs each process serves.
        prune_interval: The longest sleep (ms) while jobs run.
        template: The socket to the template.
    """

    def __init__(
        self,
        pool: PoolOptions,
        board: Board,
        size: int,
        tasks_per_process: int,
        prune_interval: int,
        template: socket.socket,
    ) -> None:
        self._pool = pool
        self._board = board
        self._size = size
        self._tasks_per_process = tasks_per_process
        self._prune_interval = prune_interval
        self._template = template
        self._frames = Frames()
        self._descriptors: deque[int] = deque()
        self._children: dict[int, _Child] = {}
        self._by_socket: dict[int, _Child] = {}
        self._spares: deque[_Child] = deque()
        self._ordered = 0
        self._waiting: deque[ProcessJob] = deque()
        self._running: dict[int, ProcessJob] = {}
        self._finished: list[ProcessJob] = []
        self._pause = 0
        self._fork_at = 0
        self._dismissed = False
        self._order()

    # ── what the engine asks ───────────────────────────────────────────────────────────────────

    @property
    def busy(self) -> int:
        """How many jobs are under way."""
        return len(self._running)

    @property
    def free(self) -> int:
        """How many jobs could start at once now; none while processes don't start."""
        return 0 if self._fork_at else self._size - len(self._running)

    @property
    def spent(self) -> bool:
        """Never: its processes are replaced one by one."""
        return False

    def job(self, claimed: Claimed, entry: int, session: Session) -> ProcessJob:
        """A job for a claim."""
        return ProcessJob(claimed, entry, session.worker)

    def start(self, job: ProcessJob) -> None:
        """Run a job in a process."""
        self._running[job.claimed.token] = job
        self._assign(job)

    def collect(self) -> list[ProcessJob]:
        """What has finished since the last time."""
        finished, self._finished = self._finished, []
        for job in finished:
            del self._running[job.claimed.token]
        return finished

    def settled(self, job: ProcessJob, accepted: bool) -> None:
        """The store has accepted the job's outcome, or refused it."""
        child = job.child
        if job.verdict_wanted and child is not None and child.job is job:
            child.job = None
            self._send(child, (accepted,))
            self._after_job(child)

    def revoke(self, uuid: str) -> None:
        """End the task of a message that was revoked."""
        for job in self._running.values():
            if (
                job.claimed.uuid == uuid
                and job.child is not None
                and job.outcome is None
                and job.charge is None
            ):
                self._doom(job.child, "MessageRevokedError", f"message {uuid!r} was revoked while it ran")

    # ── sleeping and waking ────────────────────────────────────────────────────────────────────

    def listen(self, poll: select.poll) -> bool:
        """Add what wakes the engine to `poll`; False if something has finished already."""
        poll.register(self._template, select.POLLIN)
        for descriptor in self._by_socket:
            poll.register(descriptor, select.POLLIN)
        return not self._finished

    def awake(self, ready: Set[int]) -> None:
        """Take in what has come on these descriptors."""
        if self._template.fileno() in ready:
            self._hear_template()
        for descriptor in ready:
            child = self._by_socket.get(descriptor)
            if child is not None:
                self._hear(child)

    def next_deadline(self) -> int | None:
        """When :meth:`enforce` is next needed (monotonic ms)."""
        wakes = [job.deadline for job in self._running.values() if job.deadline]
        wakes += [child.kill_at for child in self._children.values() if child.kill_at]
        if self._fork_at:
            wakes.append(self._fork_at)
        if self._running:
            wakes.append(monotonic_ms() + self._prune_interval)
        return min(wakes, default=None)

    def enforce(self) -> None:
        """End what runs past its deadline: SIGTERM, then SIGKILL."""
        now = monotonic_ms()
        for job in self._running.values():
            if job.deadline and now >= job.deadline and job.child is not None:
                job.deadline = 0
                if job.charge is None:
                    text = f"message {job.claimed.uuid!r} ran longer than its timeout of {job.timeout} ms"
                    self._doom(job.child, "TaskTimeoutError", text)
                else:
                    self._ask(KILL, job.child.pid, int(signal.SIGKILL))  # hooks that hang
        for child in self._children.values():
            if child.kill_at and now >= child.kill_at:
                child.kill_at = 0
                self._ask(KILL, child.pid, int(signal.SIGKILL))
        if self._fork_at and now >= self._fork_at:
            self._fork_at = 0
            self._order()

    def dismiss(self) -> None:
        """Let the children end, and the template after them."""
        self._dismissed = True
        for child in list(self._children.values()):
            self._forget(child)
        deadline = monotonic_ms() + PATIENCE
        while (self._children or self._ordered) and monotonic_ms() < deadline:
            if select.select([self._template], [], [], 0.1)[0]:
                self._hear_template()
        self._template.close()

    # ── children ───────────────────────────────────────────────────────────────────────────────

    def _order(self) -> None:
        """Have as many children forked as are wanted now."""
        if self._dismissed or self._fork_at:
            return
        wanted = len(self._waiting) + min(SPARES, self._size)
        if self._tasks_per_process > 1:
            wanted = min(wanted, self._size - len(self._children))
        while self._ordered + len(self._spares) < wanted:
            self._ordered += 1
            self._ask(FORK)

    def _assign(self, job: ProcessJob) -> None:
        """Give a job to a spare, or to the next one that is born."""
        if not self._spares:
            self._waiting.append(job)
            self._order()
            return
        child = self._spares.popleft()
        child.job, job.child = job, child
        now = monotonic_ms()
        if job.charge is None:
            job.timeout = self._timeout_of(job.claimed)
            job.deadline = now + job.timeout
            self._send(child, (RUN, tuple(job.claimed)))
        else:
            job.deadline = now + PATIENCE
            self._send(child, (CHARGE, tuple(job.claimed), *job.charge))
        self._board.start(job.entry, job.deadline)
        self._order()

    def _timeout_of(self, claimed: Claimed) -> int:
        serializer = self._pool.broker.backend.serializer
        try:
            return Message.unpack(claimed.uuid, claimed.queue, claimed.payload, serializer).timeout
        except CorruptMessageError:
            return PATIENCE  # the child will say so

    def _after_job(self, child: _Child) -> None:
        """A child has served a job: it is a spare again, or ends by itself."""
        child.served += 1
        if child.served < self._tasks_per_process and child.doom is None:
            self._make_spare(child)
        else:
            self._forget(child)
        self._order()

    def _make_spare(self, child: _Child) -> None:
        self._spares.append(child)
        if self._waiting:
            self._assign(self._waiting.popleft())

    def _forget(self, child: _Child) -> None:
        """No more is expected of a child but its end: what closes tells an idle one to end too."""
        self._by_socket.pop(child.connection.fileno(), None)
        child.connection.close()

    def _doom(self, child: _Child, name: str, text: str) -> None:
        """End a child for what its job has done: SIGTERM now, SIGKILL soon."""
        child.doom = (name, text)
        child.kill_at = monotonic_ms() + KILL_AFTER
        self._ask(KILL, child.pid, int(signal.SIGTERM))

    # ── what comes in ──────────────────────────────────────────────────────────────────────────

    def _hear_template(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._template, 65536, 64)
        if not data:
            log.critical("The template process has died: so does the engine, and both are started anew.")
            os._exit(70)
        self._descriptors.extend(descriptors)
        self._frames.feed(data)
        while (event := self._frames.take()) is not None:
            if event[0] == BORN:
                self._welcome(event[1])
            elif event[0] == DIED:
                self._bury(event[1], event[2])
            else:
                self._ordered -= 1
                self._wait_to_fork(f"No process can be forked ({event[1]})")

    def _welcome(self, pid: int) -> None:
        self._ordered -= 1
        child = _Child(pid, socket.socket(fileno=self._descriptors.popleft()))
        # One that was stopped from outside takes nothing in: the engine must not wait for it for ever.
        child.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._children[pid] = child
        self._by_socket[child.connection.fileno()] = child
        if self._dismissed:
            self._forget(child)
        else:
            self._make_spare(child)

    def _bury(self, pid: int, status: int) -> None:
        """A child has ended; if it had not answered, its job is charged with that."""
        child = self._children.pop(pid)
        job = child.job
        if job is not None and job.outcome is None:
            self._drain(child)  # it may have answered before it died
        self._forget(child)
        if child in self._spares:
            self._spares.remove(child)
        if status == EXIT_NOT_STARTED:
            self._wait_to_fork("A task process did not start")
        elif child.served or child.job is not None:
            self._pause = 0
        if job is not None and job.outcome is None:
            self._lost(job, child, status)
        self._order()

    def _wait_to_fork(self, why: str) -> None:
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._fork_at = monotonic_ms() + self._pause
        log.error("%s: trying again in %.1f s.", why, self._pause / 1000)

    def _lost(self, job: ProcessJob, child: _Child, status: int) -> None:
        job.child, job.deadline = None, 0
        self._board.end(job.entry)
        if job.charge is not None:  # the one that was to conclude it
            log.error("The hooks for message %s failed or hung: max_retries decides.", job.claimed.uuid)
            self._done(job, outcome_without_hooks(self._pool, job.worker, job.claimed, *job.charge))
            return
        if status == EXIT_NOT_STARTED:  # it never saw the message
            self._waiting.append(job)
            return
        where = f"the process that ran message {job.claimed.uuid!r} {ending_of(status)}"
        job.charge = child.doom or ("WorkerLostError", where)
        log.error("Process %d %s: %s.", child.pid, ending_of(status), job.charge[1])
        self._assign(job)

    def _hear(self, child: _Child) -> None:
        """An answer, or the end of a child, of which the template will tell more."""
        self._drain(child)

    def _drain(self, child: _Child) -> None:
        while True:
            try:
                data = child.connection.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except (ConnectionResetError, OSError):
                data = b""
            if not data:
                self._by_socket.pop(child.connection.fileno(), None)
                break
            child.frames.feed(data)
        answer: Any = child.frames.take()
        if answer is not None and child.job is not None:
            self._answered(child, child.job, answer)

    def _answered(self, child: _Child, job: ProcessJob, answer: tuple[Any, bool]) -> None:
        wire, job.verdict_wanted = answer
        child.kill_at = 0
        self._board.end(job.entry)
        if not job.verdict_wanted:
            child.job = None
            self._after_job(child)
        self._done(job, outcome_from_wire(wire))

    def _done(self, job: ProcessJob, outcome: Outcome) -> None:
        job.outcome = outcome
        job.deadline = 0
        self._finished.append(job)

    # ── what goes out ──────────────────────────────────────────────────────────────────────────

    def _send(self, child: _Child, value: tuple[Any, ...]) -> None:
        try:
            child.connection.sendall(pack(value))
        except BlockingIOError:
            log.error("Process %d takes nothing in: it is killed.", child.pid)
            self._ask(KILL, child.pid, int(signal.SIGKILL))
        except OSError:
            return  # it has died: the template tells

    def _ask(self, *request: Any) -> None:
        self._template.sendall(pack(request))
