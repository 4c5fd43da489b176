"""The process at the head of a thread pool.

It forks the groups, renews their leases for as long as they live, replaces what died, adds groups while all are
saturated and takes them away when idle, ends what wedges, and stops it all in good order. It runs no thread, no task
and no code of the user's, so that nothing of the user's can keep it from renewing; and it has no thread when it forks.
"""

from __future__ import annotations

import logging
import random
import select
import time
from collections.abc import Callable
from typing import Any

from alsek.core.worker.aftermath import PATIENCE, Aftermath, Death
from alsek.core.worker.board import Board
from alsek.core.worker.children import EXIT_DRAINED, EXIT_NOT_STARTED, EXIT_RECYCLED, Child, fork
from alsek.core.worker.group import Group, GroupOptions, board_for
from alsek.core.worker.jobs import monotonic_ms
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import StopSignals
from alsek.exceptions import BackendError, WorkerUnknownError
from alsek.storage.backends.records import Worker
from alsek.types import Wish

log = logging.getLogger(__name__)

#: A group that is saturated for so long (ms) while messages wait gets another beside it.
SCALE_AFTER = 50
#: A group that has been idle for so long (ms) ends, if it is not the only one.
PRUNE_AFTER = 10_000
#: A task that its own group can't stop costs the group its life so long (ms) after the deadline.
WEDGED_AFTER = 4_000
#: But an engine that waits for the store may be kept so long (ms) by one that hangs, and then does its duty itself:
#: `BackendUnavailableError` comes within 7.5 s.
STORE_HANGS = 8_000

_LONGEST_RESTART = 30.0
#: The most (ms) that renewing a lease may take.
_RENEWAL_TIMEOUT = 1_000
#: What was started below an ended group gets so long (s) to end.
_LAST_BREATH = 2.0
#: A group that dies younger than this (s) was hardly worth starting: the next one waits a little.
_YOUNG = 1.0
#: After a kill (s): the user's hooks get no more time, and then what can't be given back is left to its lease.
_LAST_HOOKS, _LAST_WORDS = 0.7, 1.5


class _Member:
    """A group, as the supervisor sees it."""

    def __init__(self, child: Child, board: Board, options: GroupOptions) -> None:
        self.child = child
        self.board = board
        self.options = options
        self.born = time.monotonic()
        self.leaving = False
        self.over_at: float | None = None
        self.wedged_tokens: frozenset[int] = frozenset()


class _Settling:
    """A child that settles a death, until when it may use the user's hooks, and until when it may go on at all."""

    def __init__(self, child: Child, death: Death, hooks_until: float | None, until: float) -> None:
        self.child = child
        self.death = death
        self.hooks_until = hooks_until
        self.until = until


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
        group: GroupOptions,
        kind: Callable[[PoolOptions, GroupOptions, Board], Group[Any]],
        n_processes: int,
    ) -> None:
        self._pool = pool
        self._group = group
        self._kind = kind
        self._n_processes = n_processes
        self._members: list[_Member] = []
        self._settling: list[_Settling] = []
        self._unhooked: set[str] = set()  # workers whose messages are settled without hooks
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
        with StopSignals() as signals:
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
        return self._signals.stopping and not self._members and not self._settling

    # ── children ───────────────────────────────────────────────────────────────────────────────

    def _start_group(self, options: GroupOptions) -> None:
        board = board_for(options)
        try:
            child = fork(self._kind(self._pool, options, board).main, self._descriptors())
        except OSError as error:
            board.close()
            self._start_at = time.monotonic() + 1.0
            log.error("No group can be started now: %s", error)
            return
        self._members.append(_Member(child, board, options))
        self._share_out()
        log.info("Started group %d%s.", child.pid, " for suspects" if options.suspects_only else "")

    def _settle(self, death: Death, *, with_hooks: bool) -> None:
        try:
            child = fork(Aftermath(self._pool, death, with_hooks=with_hooks).main, self._descriptors())
        except OSError as error:
            log.error("What group %s held is left to its lease: %s", death.worker.id, error)
            return
        now = time.monotonic()
        hooks_until = now + PATIENCE if with_hooks else None
        # It gives up by itself after two leases; this is for one that hangs.
        until = now + 2 * self._pool.lease / 1000 + 2 * PATIENCE
        self._settling.append(_Settling(child, death, hooks_until, until))

    def _descriptors(self) -> tuple[int, ...]:
        children = [*(m.child for m in self._members), *(s.child for s in self._settling)]
        return (*self._signals.descriptors, *(d for child in children for d in child.descriptors))

    def _reap(self) -> None:
        for member in list(self._members):
            if member.child.reap() and self._is_over(member):
                self._members.remove(member)
                member.child.close()  # before others are forked, which would keep it
                self._see_off(member)
                member.board.close()
        now = time.monotonic()
        for settling in list(self._settling):
            if settling.child.reap():
                self._settling.remove(settling)
                settling.child.close()
                if settling.child.status != 0:
                    self._settled_badly(settling)
            elif now > settling.until:
                settling.child.signal(9)
            elif settling.hooks_until is not None and now > settling.hooks_until:
                if self._store_away and self._killed_at is None:
                    settling.hooks_until = now + PATIENCE  # it may be the store that it waits for
                else:
                    settling.hooks_until = None
                    settling.child.signal(9)  # the user's hooks hang: it is settled without them

    def _is_over(self, member: _Member) -> bool:
        """Whether all that an ended group has started has ended too: what is given back earlier runs twice at once."""
        if not member.options.isolated or member.child.silent:
            return True
        if member.over_at is None:
            member.over_at = time.monotonic() + _LAST_BREATH
        return time.monotonic() >= member.over_at

    def _settled_badly(self, settling: _Settling) -> None:
        """A settling child was killed or has failed: once more, without the user's hooks, and then no more."""
        if settling.death.worker.id not in self._unhooked and time.monotonic() <= settling.until:
            self._unhooked.add(settling.death.worker.id)
            self._settle(settling.death, with_hooks=False)
        else:
            log.error("Worker %s: what it held is left to its lease.", settling.death.worker.id)

    def _see_off(self, member: _Member) -> None:
        """What follows from a group's end. Where one is missed, :meth:`_scale` starts it, not before `_start_at`."""
        status = member.child.status
        if status == EXIT_NOT_STARTED:
            self._failed_to_start(f"Group {member.child.pid} did not start")
        elif member.board.worker_id is not None:
            # Also when it exited with one of our codes: it has not signed off, so it was a task that ended it.
            self._mourn(member, member.board.worker_id)
        elif status in (EXIT_DRAINED, EXIT_RECYCLED):
            log.info("Group %d has ended.", member.child.pid)
            self._failed_starts = self._young_deaths = 0
            if member.options.suspects_only:  # it found no more; who does from now on says so
                for other in self._members:
                    other.board.suspects = 0
                self._share_out()
        else:
            self._failed_to_start(f"Group {member.child.pid} {member.child.ending} before it had registered")

    def _failed_to_start(self, what: str) -> None:
        self._failed_starts += 1
        pause = min(2.0**self._failed_starts, _LONGEST_RESTART) * random.uniform(0.5, 1.0)
        self._start_at = time.monotonic() + pause
        log.error("%s: trying again in %.0f s.", what, pause)

    def _mourn(self, member: _Member, worker_id: str) -> None:
        self._failed_starts = 0
        if time.monotonic() - member.born < _YOUNG:
            self._young_deaths += 1
            self._start_at = time.monotonic() + min(0.05 * 2.0**self._young_deaths, 5.0)
        else:
            self._young_deaths = 0
        death = self._death(member, worker_id)
        self._settle(death, with_hooks=True)
        if len(death.running) > 1 and not death.overdue and not self._signals.stopping:
            self._quarantine()

    def _death(self, member: _Member, worker_id: str) -> Death:
        running = finished = frozenset[int]()
        # Killed by the pool's own stop, nobody is to blame: all is given back as if nothing had been.
        if not (member.leaving and self._signals.stopping):
            started = [entry for entry in member.board.held() if entry.started]
            # A group whose tasks have processes of their own was not ended by one of them.
            shared = not member.options.isolated
            running = frozenset(entry.token for entry in started if entry.running and shared)
            finished = frozenset(entry.token for entry in started) - running
        return Death(
            worker=self._worker(worker_id),
            ending=member.child.ending,
            overdue=member.wedged_tokens,
            running=running,
            finished=finished,
        )

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
                self._store_away = True
                return
            self._store_away = False

    # ── deadlines that a group can't enforce ───────────────────────────────────────────────────

    def _enforce_deadlines(self) -> None:
        now = monotonic_ms()
        for member in self._members:
            wedged_at = self._wedged_at(member)
            if wedged_at is None or now < wedged_at:
                continue
            overdue = [e.token for e in member.board.held() if e.running and now >= e.deadline + WEDGED_AFTER]
            log.error(
                "Group %d does not let go of %d overdue tasks: it is killed.", member.child.pid, len(overdue)
            )
            member.wedged_tokens = frozenset(overdue)
            member.child.signal(9)

    def _wedged_at(self, member: _Member) -> int | None:
        """When the group must have ended the first of its tasks, or be killed for it (monotonic ms)."""
        if member.wedged_tokens or member.options.patient:
            return None
        deadlines = [entry.deadline for entry in member.board.held() if entry.running]
        if not deadlines:
            return None
        store_since = member.board.in_store_since
        return max(min(deadlines) + WEDGED_AFTER, store_since + STORE_HANGS if store_since else 0)

    # ── scaling ────────────────────────────────────────────────────────────────────────────────

    @property
    def _regular(self) -> list[_Member]:
        return [m for m in self._members if self._stays(m) and not m.board.draining]

    @staticmethod
    def _stays(member: _Member) -> bool:
        return not member.leaving and not member.options.suspects_only

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
            self._dismiss(idle[-1])

    def _saturated_at(self, regular: list[_Member]) -> int | None:
        """When another group is called for (monotonic ms); None while it is not."""
        # Those that take no more count as well: together no more run than the pool may run at once.
        if sum(self._stays(member) for member in self._members) >= self._n_processes:
            return None
        saturated = [member.board.saturated_since for member in regular]
        return max(saturated) + SCALE_AFTER if saturated and all(saturated) else None

    def _quarantine(self) -> None:
        """Have a process that runs suspects, one at a time; while it lives, another group runs one task fewer."""
        if self._quarantined or time.monotonic() < self._start_at:
            return
        for member in self._members:
            member.board.suspects = 0
        self._start_group(GroupOptions(slots=1, suspects_only=True))

    def _share_out(self) -> None:
        """While suspects have a group, one of the others runs a task fewer, so that together there are no more."""
        spared = min(self._regular, key=lambda member: member.board.limit, default=None)
        for member in self._regular:
            spare = member is spared and self._quarantined
            member.board.limit = member.options.most_held - spare

    @property
    def _quarantined(self) -> bool:
        return any(member.options.suspects_only for member in self._members)

    def _dismiss(self, member: _Member) -> None:
        member.leaving = True
        member.child.signal(15)

    # ── the loop ───────────────────────────────────────────────────────────────────────────────

    def _wait(self) -> None:
        """Sleep until a child has something to say, a signal comes, or something is due."""
        poll = select.poll()
        poll.register(self._signals.fileno(), select.POLLIN)
        children = [*(m.child for m in self._members), *(s.child for s in self._settling)]
        for child in children:
            if not child.silent:
                poll.register(child.news, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._pause() * 1000)}
        self._signals.drain()
        for child in children:
            if child.news in ready:
                child.read_news()

    def _pause(self) -> float:
        now = time.monotonic()
        wakes = [self._renew_at]
        if self._stop_at is not None and self._killed_at is None:
            wakes.append(self._stop_at)
        regular = [] if self._signals.stopping else self._regular
        suspects = any(member.board.suspects for member in regular) and not self._quarantined
        if suspects or (not regular and not self._signals.stopping):
            wakes.append(self._start_at)
        wakes += [settling.hooks_until for settling in self._settling if settling.hooks_until is not None]
        wakes += [settling.until for settling in self._settling]
        wakes += [member.over_at for member in self._members if member.over_at is not None]
        milliseconds = monotonic_ms()
        for member in self._members:
            wedged_at = self._wedged_at(member)
            if wedged_at is not None:
                wakes.append(now + (wedged_at + 1 - milliseconds) / 1000)
        due = self._saturated_at(regular)
        if due is not None:
            wakes.append(max(now + (due + 1 - milliseconds) / 1000, self._start_at))
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
                self._dismiss(member)
        if self._killed_at is None and (self._signals.at_once or now >= self._stop_at):
            self._killed_at = now
            if self._members:
                log.warning("Stopping at once: what still runs is ended and given back.")
            for member in self._members:
                member.child.signal(9)
        if self._killed_at is not None:
            for settling in self._settling:
                settling.until = min(settling.until, self._killed_at + _LAST_WORDS)
                if settling.hooks_until is not None:
                    settling.hooks_until = min(settling.hooks_until, self._killed_at + _LAST_HOOKS)
