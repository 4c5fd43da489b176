"""Bringing the schedules that a pool's tasks declare into the store.

Runs in a child of the supervisor, since it serializes arguments, which is user code, and the store may be unreachable.
"""

from __future__ import annotations

import mmap
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from alsek.core.broker import Broker
from alsek.core.clock import real_time
from alsek.core.execution.facts import can_fire
from alsek.core.inspection.wording import counted
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.task import AnyTask
from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.forking import disown_forks
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import ignore_signal, leave_stop_to_supervisor
from alsek.exceptions import BackendError

log = guarded_logger(__name__)

#: Pauses before an unreachable store is asked again.
_FIRST_PAUSE_MS: Final = 100
_LONGEST_PAUSE_MS: Final = 5_000


class Declaration:
    """Puts the declared schedules of a pool. Says so if this pool fires none, and there are some.

    Args:
        pool: The pool's options.
        sleep: Sleeps for a number of seconds.
        only_new: Leave those that are stored as they are.
    """

    def __init__(
        self, pool: PoolOptions, sleep: Callable[[float], None] = real_time.sleep, *, only_new: bool = False
    ) -> None:
        self._pool = pool
        self._sleep = sleep
        self._only_new = only_new
        self._completed = mmap.mmap(-1, 1)

    @staticmethod
    def is_needed(pool: PoolOptions) -> bool:
        """Return True if there is anything to put or to say."""
        return bool(pool.declared_schedules) or not can_fire()

    @property
    def completed(self) -> bool:
        """True if the child has come to the end. The exit code does not show it: user code may exit with any."""
        return bool(self._completed[0])

    def main(self, inherited: ParentPipes) -> int:
        """Run in the child, which the supervisor kills when the pool stops."""
        leave_stop_to_supervisor()
        signal.signal(signal.SIGTERM, ignore_signal)
        disown_forks(ignore_signal)
        self.run()
        self._completed[0] = 1
        return 0

    def run(self) -> None:
        """Put each schedule, however long the store is away. One that can't be put is logged, and holds up no other."""
        if not can_fire():
            self._until_answered(self._tell_of_others)
            return
        for task in self._pool.tasks.values():
            if task.declared_schedule is None:
                continue
            try:
                self._until_answered(partial(put_one, self._pool.broker, task, only_new=self._only_new))
            except Exception:
                log.exception("The schedule of task %r can't be stored.", task.name)

    def _until_answered(self, ask: Callable[[], object]) -> None:
        """Ask the store, again and again while it is away. If it keeps no schedules, there is nothing to ask."""
        try:
            _ = self._pool.broker.backend.schedules
        except BackendError as error:
            if self._pool.declared_schedules:
                log.error("Tasks declare schedules: %s", error)
            return
        pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        while True:
            try:
                ask()
            except BackendError as error:
                log.warning("%s", error)
                self._sleep(pauses.next() / 1000)
            else:
                return

    def _tell_of_others(self) -> None:
        stored = self._pool.broker.backend.schedules.get()
        if stored:
            log.warning(
                "This pool leaves %s to other pools: to fire schedules it needs APScheduler (pip install apscheduler).",
                counted(len(stored), "schedule"),
            )


def put_one(broker: Broker, task: AnyTask, *, only_new: bool) -> None:
    """Put the schedule that a task declares."""
    from alsek.core.schedules.put import put_declared  # here: it imports APScheduler

    put_declared(broker, [task], only_new=only_new)
