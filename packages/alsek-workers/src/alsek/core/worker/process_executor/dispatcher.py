"""Which process gets which job: idle ones first; then, ahead, those that serve many, while tasks prove to be short.

Nothing that was dealt ahead waits for long (see :mod:`~alsek.core.worker.process_executor.prefetch_limit`): it is
taken back from a process whose task turns out to be long, for another that can begin it, or for the store.
"""

from __future__ import annotations

from collections import deque

from alsek.core.clock import real_time as time
from alsek.core.worker.process_executor import process_manager as nursery
from alsek.core.worker.process_executor.prefetch_limit import PrefetchLimit
from alsek.core.worker.process_executor.process_manager import TaskProcessManager
from alsek.core.worker.process_executor.task_process import ProcessJob, TaskProcess

#: A child that has not answered for so long (ms) is given none ahead.
_BUSY_AFTER = 20
#: No more than this are claimed in one trip, if there are not as many processes: it must not hold up the store.
_MOST_A_TRIP = 64


class Dispatcher:
    """Holds the jobs that no process has in hand.

    Args:
        children: The processes.
        size: How many are to run jobs at once.
        tasks_per_process: How many jobs each process serves.
        ahead: Give jobs ahead.

    Attributes:
        waiting: The jobs, first come first served.
        pace: How short tasks are.
    """

    def __init__(
        self, children: TaskProcessManager, size: int, tasks_per_process: int, *, ahead: bool
    ) -> None:
        self.waiting: deque[ProcessJob] = deque()
        self.pace = PrefetchLimit()
        self._nursery = children
        self._size = size
        self._tasks_per_process = tasks_per_process
        self._ahead = ahead

    def room(self, running: int) -> int:
        """How many more jobs may be claimed while so many are under way."""
        room = self._size - running
        if self._ahead:
            now = time.monotonic() * 1000
            for child in self._nursery.children.values():
                held = len(child.in_hand)
                if held > 1:
                    room += held - 1  # they take no other's place
                # In lots: a trip for each that has ended would be what this is to spare.
                if not child.let_go and 2 * held <= self.pace.ahead + 1 and self._is_quick(child, now):
                    room += self._most_in_hand(child) - max(1, held)
        return max(0, min(room, max(self._size, _MOST_A_TRIP)))

    def hand_out(self) -> list[TaskProcess]:
        """Give what waits to those that can take it; the processes that take nothing in."""
        given: dict[TaskProcess, None] = {}
        while self.waiting and self._nursery.spares:
            child = self._nursery.spares.popleft()
            child.give(self.waiting.popleft())
            given[child] = None
        if self.waiting and self.pace.ahead:
            self._deal_ahead(given)
        deaf = []
        for child in given:
            try:
                child.send_jobs(nursery.PATIENCE)
            except BlockingIOError:
                deaf.append(child)
        return deaf

    def _deal_ahead(self, given: dict[TaskProcess, None]) -> None:
        """One to each in turn, those that have least first."""
        now = time.monotonic() * 1000
        takers = [child for child in self._nursery.children.values() if self._takes_more(child, now)]
        takers.sort(key=lambda child: len(child.in_hand))
        while takers:
            for child in list(takers):
                if not self.waiting:
                    return
                if not child.takes(
                    self.waiting[0]
                ):  # too large to wait in a socket: short tasks are not like that
                    self.pace.stumble()
                    return
                child.give(self.waiting.popleft())
                given[child] = None
                if len(child.in_hand) >= self._most_in_hand(child):
                    takers.remove(child)

    def _takes_more(self, child: TaskProcess, now: float) -> bool:
        return bool(
            child.in_hand
            and child.doom is None
            and child.owing is None
            and self._is_quick(child, now)
            and len(child.in_hand) < self._most_in_hand(child)
        )

    def _is_quick(self, child: TaskProcess, now: float) -> bool:
        return not child.in_hand or now - child.heard_at < _BUSY_AFTER

    def _most_in_hand(self, child: TaskProcess) -> int:
        return max(1, min(self.pace.ahead + 1, self._tasks_per_process - child.served))

    def take_back(self, child: TaskProcess) -> None:
        """What a process has not begun waits again, before all else."""
        taken = child.take_back()
        self.waiting.extendleft(reversed(taken))
        if taken and not child.in_hand and child.owing is None and child.alive and child.doom is None:
            self._nursery.spares.append(child)

    def take_all_back(self) -> None:
        """What no process has begun waits again."""
        for child in self._nursery.children.values():
            # One that is charged has begun before: it is not given back, and may stay where it is.
            if child.in_hand and child.doom is None and child.in_hand[-1].charge is None:
                self.take_back(child)

    def surplus(self, *, none: bool) -> list[ProcessJob]:
        """What is to be given back to the store: all that no process is about to be idle for; with `none`, all.

        What is charged stays: it has begun before.
        """
        keep = 0
        if not none:
            if not self._ahead:
                return []
            busy = sum(bool(child.in_hand or child.owing) for child in self._nursery.children.values())
            keep = max(0, self._size - busy)
        back: list[ProcessJob] = []
        for job in reversed(list(self.waiting)):
            if len(self.waiting) <= keep:
                break
            if job.charge is None:
                self.waiting.remove(job)
                back.append(job)
        return back

    def order(self) -> None:
        """Have processes forked for what waits, and for what waits behind other jobs."""
        if self._nursery.full:
            return
        jobs = len(self.waiting)
        if self._ahead:
            jobs += sum(max(0, len(child.in_hand) - 1) for child in self._nursery.children.values())
        self._nursery.order(jobs)
