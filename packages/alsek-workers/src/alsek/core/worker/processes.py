"""The processes of a process pool, as its engine sees them: one task a process, forked from a template.

Children that wait for work (*spares*) are forked ahead, so that a message need not wait for a fork.
A child that dies before it has answered has lost its message: a fresh child then decides what becomes of it, with
the task's own ``do_retry`` and hooks; should that fail too, `max_retries` alone decides, here.

A child's life, as seen from here::

    ordered ─► born ─► (its start hooks) ─► spare ─► has a job ─► answered ─► let go ─► died
                                              ▲                      │
                                              └──────────────────────┘ up to `tasks_per_process` times

It may die at any point of it, and no job must be lost with it, nor be charged with what it can't have done.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
from collections import deque
from collections.abc import Set
from typing import Any, NoReturn

from alsek.core.message import Message
from alsek.core.session import Session
from alsek.core.worker.board import Board
from alsek.core.worker.children import EXIT_NOT_STARTED, ending_of
from alsek.core.worker.frames import Frames, outcome_from_wire, pack
from alsek.core.worker.jobs import monotonic_ms
from alsek.core.worker.offspring import CHARGE, RUN, begins, outcome_without_hooks
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.taskprocess import ProcessJob, TaskProcess
from alsek.core.worker.template import BORN, DIED, FORK, KILL
from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Claimed, Outcome, Released

log = logging.getLogger(__name__)

#: A child that ignores SIGTERM is killed so long (ms) after it.
KILL_AFTER = 900
#: How long (ms) the hooks of a charged message may take, and what comes after a process's last task.
PATIENCE = 5_000
#: Spares are forked ahead up to this many: while a task runs, the next one's process is made.
SPARES = 2

#: So many forks may be under way at once: neither the template nor this side can then wait for the other to read.
_MOST_ORDERED = 16
#: So many processes that have answered may be about to end, beside two for each slot, before no more is claimed.
_MOST_ENDING = 8
#: A template that says nothing for so long (ms), though asked, has been stopped, or hangs.
_TEMPLATE_HANGS = 30_000
_FIRST_PAUSE, _LONGEST_PAUSE = 500, 30_000


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
        self._children: dict[int, TaskProcess] = {}
        self._by_socket: dict[int, TaskProcess] = {}
        self._spares: deque[TaskProcess] = deque()
        self._ordered = 0
        self._starting: set[TaskProcess] = set()
        self._begins = begins(pool)
        self._heard_at = 0
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
        """How many jobs could start at once now; none while processes don't start, or don't end."""
        if self._fork_at or (self._pause and not self._spares):
            return 0
        if len(self._children) > 3 * self._size + _MOST_ENDING:
            return 0
        return self._size - len(self._running)

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
            if child.alive:
                self._send(child, (accepted,))
                if child.served + 1 < self._tasks_per_process and child.doom is None:
                    self._let_it_tell(child)
                else:
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
                self._drain(child)

    def next_deadline(self) -> int | None:
        """When :meth:`enforce` is next needed (monotonic ms)."""
        wakes = [job.deadline for job in self._running.values() if job.deadline]
        wakes += [child.kill_at for child in self._children.values() if child.kill_at]
        if self._fork_at:
            wakes.append(self._fork_at)
        if self._ordered:
            wakes.append(self._heard_at + _TEMPLATE_HANGS)
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
                if child.let_go:
                    log.error("Process %d does not end after its last task: it is killed.", child.pid)
                elif not child.ready:
                    log.error(
                        "Process %d does not end telling a tracker of its task: it is killed.", child.pid
                    )
                self._ask(KILL, child.pid, int(signal.SIGKILL))
        if self._ordered and now >= self._heard_at + _TEMPLATE_HANGS:
            _end_with_template("does not answer")
        if self._fork_at and now >= self._fork_at:
            self._fork_at = 0
            self._order()

    def dismiss(self) -> None:
        """Let the children end, and the template after them."""
        self._dismissed = True
        for child in list(self._children.values()):
            self._let_go(child)
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
        coming = self._ordered + len(self._starting)
        missing = len(self._waiting) + min(SPARES, self._size) - len(self._spares) - coming
        if self._tasks_per_process > 1:
            missing = min(missing, self._size - len(self._children) - self._ordered)
        for _ in range(min(missing, _MOST_ORDERED - self._ordered)):
            if not self._ordered:
                self._heard_at = monotonic_ms()
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

    def _after_job(self, child: TaskProcess) -> None:
        """A child has served a job: it is a spare again, or ends by itself."""
        child.served += 1
        self._pause = 0
        if child.alive and child.served < self._tasks_per_process and child.doom is None:
            self._make_spare(child)
        else:
            self._let_go(child)
        self._order()

    def _let_it_tell(self, child: TaskProcess) -> None:
        """A child tells trackers of its job's end, which may take long: it is a spare again when it says so."""
        child.served += 1
        child.ready = False
        child.kill_at = monotonic_ms() + PATIENCE
        self._pause = 0
        self._starting.add(child)
        self._order()

    def _make_spare(self, child: TaskProcess) -> None:
        self._spares.append(child)
        if self._waiting:
            self._assign(self._waiting.popleft())

    def _let_go(self, child: TaskProcess) -> None:
        """No more is expected of a child but its end, soon: what closes tells an idle one to end too."""
        self._by_socket.pop(child.connection.fileno(), None)
        child.connection.close()
        child.let_go = True
        if child.alive and not child.kill_at:
            child.kill_at = monotonic_ms() + PATIENCE

    def _doom(self, child: TaskProcess, name: str, text: str) -> None:
        """End a child for what its job has done: SIGTERM now, SIGKILL soon. From now on its answer counts no more."""
        job = child.job
        if child.doom is not None or job is None:
            return
        self._drain(child)  # it may have answered just now
        if child.job is job and job.outcome is None:
            child.doom = (name, text)
            child.kill_at = monotonic_ms() + KILL_AFTER
            self._ask(KILL, child.pid, int(signal.SIGTERM))

    # ── what comes in ──────────────────────────────────────────────────────────────────────────

    def _hear_template(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._template, 65536, 64)
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            _end_with_template("has died")
        self._heard_at = monotonic_ms()
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
        if not self._descriptors:  # the kernel had none left for this process, and threw the socket away
            self._ask(KILL, pid, int(signal.SIGKILL))
            self._wait_to_fork("No file descriptor is left for another process's socket")
            return
        child = TaskProcess(pid, socket.socket(fileno=self._descriptors.popleft()), not self._begins)
        self._children[pid] = child
        self._by_socket[child.connection.fileno()] = child
        if self._dismissed:
            self._let_go(child)
        elif child.ready:
            self._make_spare(child)
        else:
            self._starting.add(child)
        self._order()

    def _bury(self, pid: int, status: int) -> None:
        """A child has ended; if it had not answered, its job is charged with that."""
        child = self._children.pop(pid, None)
        if child is None:
            return
        child.alive = False
        if not child.let_go:
            self._drain(child)  # it may have answered before it died
        job, told_to_end = child.job, child.let_go
        self._let_go(child)
        if child in self._spares:
            self._spares.remove(child)
        self._starting.discard(child)
        if status == EXIT_NOT_STARTED and not child.ready:
            self._wait_to_fork("A task process did not start")
        elif not told_to_end and job is None and not child.served:
            self._wait_to_fork(f"A task process {ending_of(status)} before it had a task")
        if job is not None and job.outcome is None:
            self._lost(job, child, status)
        self._order()

    def _wait_to_fork(self, why: str) -> None:
        if self._fork_at:  # of several that failed together, one counts
            return
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._fork_at = monotonic_ms() + self._pause
        log.error("%s: trying again in %.1f s.", why, self._pause / 1000)
        if self._pause == _FIRST_PAUSE:
            return
        # Whatever is wrong, and lasts, may be wrong here alone: another pool may run what waits.
        waiting, self._waiting = self._waiting, deque(job for job in self._waiting if job.charge is not None)
        for job in waiting:
            if job.charge is None:
                self._done(job, Released(job.claimed.uuid, job.claimed.queue, job.claimed.token))

    def _lost(self, job: ProcessJob, child: TaskProcess, status: int) -> None:
        job.child, job.deadline = None, 0
        self._board.end(job.entry)
        if job.charge is not None:  # the one that was to conclude it
            log.error("The hooks for message %s failed or hung: max_retries decides.", job.claimed.uuid)
            self._done(job, outcome_without_hooks(self._pool, job.worker, job.claimed, *job.charge))
            return
        if child.unread and child.doom is None and not job.repeated:
            job.repeated = (
                True  # it never saw the message; but if it was that which killed it, it is so once only
            )
            self._assign(job)
            return
        where = f"the process that ran message {job.claimed.uuid!r} {ending_of(status)}"
        job.charge = child.doom or ("WorkerLostError", where)
        log.error("Process %d %s: %s.", child.pid, ending_of(status), job.charge[1])
        self._assign(job)

    def _drain(self, child: TaskProcess) -> None:
        if not child.read():
            self._by_socket.pop(child.connection.fileno(), None)
        try:
            answers = [answer for answer in child.said() if not self._began(child)]
            outcomes = [(outcome_from_wire(wire), bool(wanted)) for wire, wanted in answers]
        except (ValueError, EOFError, TypeError, LookupError):
            log.exception("Process %d says what can't be understood.", child.pid)
            self._distrust(child)
            return
        for outcome, verdict_wanted in outcomes:
            self._answered(child, outcome, verdict_wanted)

    def _began(self, child: TaskProcess) -> bool:
        """Whether this is the first that a child says: that it is ready."""
        if child.ready:
            return False
        child.ready, child.kill_at = True, 0
        self._starting.discard(child)
        if child.alive:
            self._make_spare(child)
        return True

    def _answered(self, child: TaskProcess, outcome: Outcome, verdict_wanted: bool) -> None:
        job = child.job
        if job is None or job.outcome is not None or child.doom is not None:
            return  # a deadline that has passed has passed
        if (outcome.uuid, outcome.token) != (job.claimed.uuid, job.claimed.token):
            log.error("Process %d answers for message %s, which is not its own.", child.pid, outcome.uuid)
            self._distrust(child)
            return
        job.verdict_wanted = verdict_wanted
        self._board.end(job.entry)
        self._done(job, outcome)
        if not job.verdict_wanted:
            child.job = None
            self._after_job(child)

    def _distrust(self, child: TaskProcess) -> None:
        """Kill a child that says what no child would: its task has meddled with its socket, or with its message."""
        if child.job is not None:
            where = f"the process that ran message {child.job.claimed.uuid!r}"
            child.doom = ("WorkerLostError", f"{where} did not answer for it: it was killed")
        self._ask(KILL, child.pid, int(signal.SIGKILL))

    def _done(self, job: ProcessJob, outcome: Outcome) -> None:
        job.outcome = outcome
        job.deadline = 0
        self._finished.append(job)

    # ── what goes out ──────────────────────────────────────────────────────────────────────────

    def _send(self, child: TaskProcess, value: tuple[Any, ...]) -> None:
        try:
            child.send(value)
        except BlockingIOError:
            log.error("Process %d takes nothing in: it is killed.", child.pid)
            self._ask(KILL, child.pid, int(signal.SIGKILL))

    def _ask(self, *request: Any) -> None:
        try:
            self._template.sendall(pack(request))
        except (BrokenPipeError, ConnectionResetError):
            _end_with_template("has died")


def _end_with_template(how: str) -> NoReturn:
    log.critical("The template process %s: the engine ends with it, and both are started anew.", how)
    os._exit(70)
