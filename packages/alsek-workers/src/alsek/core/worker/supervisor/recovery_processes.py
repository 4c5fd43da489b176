"""Settling deaths: a child for each, that decides what becomes of what a dead group held, and how long it may take.

The supervisor's side of :mod:`~alsek.core.worker.supervisor.recovery`. The user's hooks have their say in the first
child; if they hang, or kill it, a second one does without them, and then what is left is left to its lease.
"""

from __future__ import annotations

from collections.abc import Callable

from alsek.core.clock import real_time as time
from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import ChildProcess, fork_watched
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.supervisor.recovery import PATIENCE, DeathReport, Recovery

log = guarded_logger(__name__)

#: After a kill (s): the user's hooks get no more time, and then what can't be given back is left to its lease.
_LAST_HOOKS, _LAST_WORDS = 0.7, 1.5


class _RecoveryProcess:
    """A child that settles a death, until when it may use the user's hooks, and until when it may go on at all."""

    def __init__(
        self,
        child: ChildProcess,
        aftermath: Recovery,
        death: DeathReport,
        hooks_until: float | None,
        until: float,
    ) -> None:
        self.child = child
        self.aftermath = aftermath
        self.death = death
        self.hooks_until = hooks_until
        self.until = until


class RecoveryProcesses:
    """The deaths that are being settled.

    Args:
        pool: The pool's options.
        inherited: The file descriptors of the supervisor that a child must not keep.
    """

    def __init__(self, pool: PoolOptions, inherited: Callable[[], tuple[int, ...]]) -> None:
        self._pool = pool
        self._inherited = inherited
        self._underway: list[_RecoveryProcess] = []
        self._unhooked: set[str] = set()  # workers whose messages are settled without hooks

    @property
    def children(self) -> list[ChildProcess]:
        """Those that settle now."""
        return [settling.child for settling in self._underway]

    @property
    def wakes(self) -> list[float]:
        """When :meth:`reap` has something to do, whatever the children do."""
        hooks = [settling.hooks_until for settling in self._underway if settling.hooks_until is not None]
        return hooks + [settling.until for settling in self._underway]

    def begin(self, death: DeathReport, *, with_hooks: bool = True) -> None:
        """Have a death settled."""
        aftermath = Recovery(self._pool, death, with_hooks=with_hooks)
        try:
            child = fork_watched(aftermath.main, self._inherited())
        except OSError as error:
            log.error("What group %s held is left to its lease: %s", death.worker.id, error)
            return
        now = time.monotonic()
        hooks_until = now + PATIENCE if with_hooks else None
        # It gives up by itself after two leases; this is for one that hangs.
        until = now + 2 * self._pool.lease / 1000 + 2 * PATIENCE
        self._underway.append(_RecoveryProcess(child, aftermath, death, hooks_until, until))

    def reap(self, *, patient: bool) -> None:
        """See to those that have ended, and to those whose time is over.

        Args:
            patient: The store is away: it may be that, rather than the user's hooks, that a child waits for.
        """
        now = time.monotonic()
        for settling in list(self._underway):
            if settling.child.reap():
                self._underway.remove(settling)
                settling.child.close()
                if not settling.aftermath.settled:
                    self._settled_badly(settling)
            elif now > settling.until:
                settling.child.signal(9)
            elif settling.hooks_until is not None and now > settling.hooks_until:
                if patient:
                    settling.hooks_until = now + PATIENCE
                else:
                    settling.hooks_until = None
                    settling.child.signal(9)  # the user's hooks hang: it is settled without them

    def hurry(self, killed_at: float) -> None:
        """The pool was told to stop at once, then: there is no more than a moment left."""
        for settling in self._underway:
            settling.until = min(settling.until, killed_at + _LAST_WORDS)
            if settling.hooks_until is not None:
                settling.hooks_until = min(settling.hooks_until, killed_at + _LAST_HOOKS)

    def _settled_badly(self, settling: _RecoveryProcess) -> None:
        """A settling child was killed or has failed: once more, without the user's hooks, and then no more."""
        if settling.death.worker.id not in self._unhooked and time.monotonic() <= settling.until:
            self._unhooked.add(settling.death.worker.id)
            self.begin(settling.death, with_hooks=False)
        else:
            log.error("Worker %s: what it held is left to its lease.", settling.death.worker.id)
