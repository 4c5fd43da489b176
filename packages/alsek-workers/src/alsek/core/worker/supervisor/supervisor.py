"""The process at the head of a thread pool.

It forks the groups, renews their leases for as long as they live, replaces what died, adds groups while all are
saturated and takes them away when idle, ends what wedges, and stops it all in good order. It runs no thread, no task
and no code of the user's, so that nothing of the user's can keep it from renewing; and it has no thread when it forks.
"""

from __future__ import annotations

import random
import select
from collections.abc import Callable
from typing import Any

from alsek.core.clock import monotonic_ms
from alsek.core.clock import real_time as time
from alsek.core.hooks import in_start_hooks
from alsek.core.loggers import exits_caught, guarded_logger
from alsek.core.worker.child_process import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED, fork_watched
from alsek.core.worker.group.group import WorkerGroup, WorkerGroupOptions, board_for
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.signals import StopSignals
from alsek.core.worker.supervisor.group_handle import GroupHandle
from alsek.core.worker.supervisor.recovery_processes import RecoveryProcesses
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.records import Worker
from alsek.types import Wish

log = guarded_logger(__name__)

#: A group that is saturated for so long (ms) while messages wait gets another beside it.
SCALE_AFTER = 50
#: A group that has been idle for so long (ms) ends, if it is not the only one.
PRUNE_AFTER = 10_000
_LONGEST_RESTART = 30.0
#: The most (ms) that renewing a lease may take.
_RENEWAL_TIMEOUT = 1_000
#: A group that dies younger than this (s) was hardly worth starting: the next one waits a little.
_YOUNG = 1.0


class Supervisor:
    """Runs a pool of groups until it is told to stop.

    Args:
        pool: What every pool is told.
        group: What each group is told.
        kind: What a group is made of.
        n_processes: The most groups.
    """

    def __init__(
        self,
        pool: PoolOptions,
        group: WorkerGroupOptions,
        kind: Callable[[PoolOptions, WorkerGroupOptions, SharedState], WorkerGroup[Any]],
        n_processes: int,
    ) -> None:
        self._pool = pool
        self._group = group
        self._kind = kind
        self._n_processes = n_processes
        self._members: list[GroupHandle] = []
        self._settlements = RecoveryProcesses(pool, self._descriptors)
        self._renew_at = 0.0
        self._failed_starts = 0
        self._start_at = 0.0
        self._young_deaths = 0
        self._stop_at: float | None = None
        self._killed_at: float | None = None
        self._store_away = False
        # It has signals, deaths and deadlines to see to: a store that hangs must not keep it for long.
        self._messages = pool.broker.backend.within(min(pool.lease // 3, _RENEWAL_TIMEOUT)).messages

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; returns once all children have ended and all messages are given back.

        Raises:
            BackendUnavailableError: The store can't be reached at the start.
        """
        self._pool.broker.backend.ping()
        with StopSignals() as signals, exits_caught():
            self._signals = signals
            self._start_group(self._group)
            while not self._finished():
                self._wait()
                self._reap()
                self._scale()
                self._enforce_deadlines()
                self._renew()
                self._stop()
        self._pool.broker.backend.close()

    def _finished(self) -> bool:
        return self._signals.stopping and not self._members and not self._settlements.children

    # ── children ───────────────────────────────────────────────────────────────────────────────

    def _start_group(self, options: WorkerGroupOptions) -> None:
        board = board_for(options)
        try:
            child = fork_watched(self._kind(self._pool, options, board).main, self._descriptors())
        except OSError as error:
            board.close()
            self._start_at = time.monotonic() + 1.0
            log.error("No group can be started now: %s", error)
            return
        self._members.append(GroupHandle(child, board, options))
        self._share_out()
        log.info("Started group %d%s.", child.pid, " for suspects" if options.suspects_only else "")

    def _descriptors(self) -> tuple[int, ...]:
        children = [*(m.child for m in self._members), *self._settlements.children]
        return (*self._signals.descriptors, *(d for child in children for d in child.descriptors))

    def _reap(self) -> None:
        for member in list(self._members):
            if member.child.reap() and member.is_over():
                self._members.remove(member)
                member.child.close()  # before others are forked, which would keep it
                self._see_off(member)
                member.board.close()
        self._settlements.reap(patient=self._store_away and self._killed_at is None)

    def _see_off(self, member: GroupHandle) -> None:
        """What follows from a group's end. Where one is missed, :meth:`_scale` starts it, not before `_start_at`.

        The board tells, and not the exit code: a task or a hook may end the process with any.
        """
        child, board = member.child, member.board
        if board.worker_id is not None:
            self._mourn(member, board.worker_id)
        elif board.signed_off:
            say = log.info if child.status in (EXIT_DRAINED, EXIT_RECYCLED) else log.error
            say("Group %d has ended: it %s.", child.pid, child.exit_description)
            self._failed_starts = self._young_deaths = 0
            if member.options.suspects_only:  # it found no more; who does from now on says so
                for other in self._members:
                    other.board.suspects = 0
                self._share_out()
        elif child.status == EXIT_NOT_STARTED:
            self._failed_to_start(f"Group {child.pid} did not start")
        else:
            hooks = "" if self._group.isolated else in_start_hooks(self._pool.hooks)
            self._failed_to_start(f"Group {child.pid} {child.exit_description} before it had started{hooks}")

    def _failed_to_start(self, what: str) -> None:
        self._failed_starts += 1
        pause = min(2.0**self._failed_starts, _LONGEST_RESTART) * random.uniform(0.5, 1.0)
        self._start_at = time.monotonic() + pause
        log.error("%s: trying again in %.0f s.", what, pause)

    def _mourn(self, member: GroupHandle, worker_id: str) -> None:
        self._failed_starts = 0
        if time.monotonic() - member.born < _YOUNG:
            self._young_deaths += 1
            self._start_at = time.monotonic() + min(0.05 * 2.0**self._young_deaths, 5.0)
        else:
            self._young_deaths = 0
        stopped = member.leaving and self._signals.stopping
        death = member.death(self._worker(worker_id), by_stop=stopped)
        self._settlements.begin(death)
        if death.leaves_suspects and not self._signals.stopping:
            self._quarantine()

    def _worker(self, worker_id: str) -> Worker:
        pool = self._pool
        kind: Wish = "process" if self._group.isolated else "thread"
        return Worker(worker_id, kind, pool.queues, pool.lease, pool.broker.dlq_ttl or 0)

    # ── leases ─────────────────────────────────────────────────────────────────────────────────

    def _renew(self) -> None:
        """Renew the lease of each living group, every third of it. The store may take a bounded time to answer."""
        if time.monotonic() < self._renew_at:
            return
        self._renew_at = time.monotonic() + self._pool.lease / 3000
        failed = False
        for member in self._members:
            worker_id = member.board.worker_id
            if worker_id is None:
                continue
            seq = member.board.seq
            tokens = [entry.token for entry in member.board.held()]
            if member.board.worker_id != worker_id:
                continue  # it registers anew at this moment
            try:
                self._messages.renew(self._worker(worker_id), seq, tokens)
            except WorkerUnknownError:
                continue  # the group will learn of it, and register anew
            except BackendError as error:
                self._renew_at = time.monotonic() + min(1.0, self._pool.lease / 3000)
                if not self._store_away:
                    log.warning("Leases can't be renewed: %s", error)
                self._store_away = failed = True
                if isinstance(error, BackendUnavailableError):
                    break  # it would keep each of the others waiting as well
        self._store_away = failed

    # ── deadlines that a group can't enforce ───────────────────────────────────────────────────

    def _enforce_deadlines(self) -> None:
        now = monotonic_ms()
        for member in self._members:
            wedged_at = member.wedged_at
            if wedged_at is not None and now >= wedged_at:
                overdue = member.kill_wedged(now)
                log.error(
                    "Group %d does not let go of %d overdue tasks: it is killed.", member.child.pid, overdue
                )

    # ── scaling ────────────────────────────────────────────────────────────────────────────────

    @property
    def _regular(self) -> list[GroupHandle]:
        return [m for m in self._members if m.stays and not m.board.draining]

    def _scale(self) -> None:
        if self._signals.stopping:
            return
        regular = self._regular
        if not regular:
            if time.monotonic() >= self._start_at:
                self._start_group(self._group)
            return
        now = monotonic_ms()
        if any(member.board.suspects for member in regular):
            self._quarantine()
        if any(member.board.idle_since for member in regular):
            # It finds nothing to do: nothing waits, whatever the others saw when they last looked.
            for member in regular:
                member.board.saturated_since = 0
        due = self._saturated_at(regular)
        if due is not None and now >= due:
            if time.monotonic() >= self._start_at:
                self._start_group(self._group)
            return
        idle = [m for m in regular if m.board.idle_since and now - m.board.idle_since >= PRUNE_AFTER]
        if idle and len(regular) > 1:
            log.info("Group %d has been idle: it ends.", idle[-1].child.pid)
            idle[-1].dismiss()

    def _saturated_at(self, regular: list[GroupHandle]) -> int | None:
        """When another group is called for (monotonic ms); None while it is not."""
        # Those that take no more count as well: together no more run than the pool may run at once.
        if sum(member.stays for member in self._members) >= self._n_processes:
            return None
        saturated = [member.board.saturated_since for member in regular]
        return max(saturated) + SCALE_AFTER if saturated and all(saturated) else None

    def _quarantine(self) -> None:
        """Have a process that runs suspects, one at a time; while it lives, another group runs one task fewer."""
        if self._quarantined or time.monotonic() < self._start_at:
            return
        for member in self._members:
            member.board.suspects = 0
        self._start_group(WorkerGroupOptions(slots=1, suspects_only=True))

    def _share_out(self) -> None:
        """While suspects have a group, one of the others runs a task fewer, so that together there are no more."""
        spared = min(self._regular, key=lambda member: member.board.limit, default=None)
        for member in self._regular:
            spare = member is spared and self._quarantined
            member.board.limit = member.options.most_held - spare

    @property
    def _quarantined(self) -> bool:
        return any(member.options.suspects_only for member in self._members)

    # ── the loop ───────────────────────────────────────────────────────────────────────────────

    def _wait(self) -> None:
        """Sleep until a child has something to say, a signal comes, or something is due."""
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        children = [*(m.child for m in self._members), *self._settlements.children]
        for child in children:
            if not child.at_eof:
                poll.register(child.notifications, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._pause() * 1000)}
        self._signals.drain()
        for child in children:
            if child.notifications in ready:
                child.read_notifications()

    def _pause(self) -> float:
        now = time.monotonic()
        wakes = [self._renew_at]
        if self._stop_at is not None and self._killed_at is None:
            wakes.append(self._stop_at)
        regular = [] if self._signals.stopping else self._regular
        suspects = any(member.board.suspects for member in regular) and not self._quarantined
        if suspects or (not regular and not self._signals.stopping):
            wakes.append(self._start_at)
        wakes += self._settlements.wakes
        wakes += [member.over_at for member in self._members if member.over_at is not None]
        milliseconds = monotonic_ms()
        for member in self._members:
            wedged_at = member.wedged_at
            if wedged_at is not None:
                wakes.append(now + (wedged_at + 1 - milliseconds) / 1000)
        due = self._saturated_at(regular)
        if due is not None:
            wakes.append(max(now + (due + 1 - milliseconds) / 1000, self._start_at))
        if len(regular) > 1:
            idle = [member.board.idle_since for member in regular if member.board.idle_since]
            wakes += [now + (since + PRUNE_AFTER + 1 - milliseconds) / 1000 for since in idle]
        return max(0.001, min(wakes) - now)

    # ── stopping ───────────────────────────────────────────────────────────────────────────────

    def _stop(self) -> None:
        """First signal: ask, and kill when the time is over. Second: kill now. Giving back follows each death."""
        if not self._signals.stopping:
            return
        now = time.monotonic()
        if self._stop_at is None:
            self._stop_at = now + self._pool.shutdown_timeout / 1000
            log.info("Stopping: running tasks have %.1f s to finish.", self._pool.shutdown_timeout / 1000)
            for member in self._members:
                member.dismiss()
        if self._killed_at is None and (self._signals.at_once or now >= self._stop_at):
            self._killed_at = now
            if self._members:
                log.warning("Stopping at once: what still runs is ended and given back.")
            for member in self._members:
                member.child.signal(9)
        if self._killed_at is not None:
            self._settlements.hurry(self._killed_at)
