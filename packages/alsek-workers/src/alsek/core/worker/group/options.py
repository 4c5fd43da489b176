"""Settings of worker groups, and the shared state that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.core.worker.process_executor.prefetch_limit import MOST_PREFETCHED
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.recent_durations import MOST_IN_FLIGHT
from alsek.defaults import DEFAULT_PRUNE_INTERVAL

#: Entries for each claim that a group may have in flight. It may be running, finished or just claimed, each for one set
#: of slots and for the prefetched ones; and as many may be past their claims while user code still runs for them.
_ENTRIES_FOR_EACH_CLAIM = 12
#: At least so many for threads: very short tasks may be more than two for each.
_ENTRIES_FOR_VERY_SHORT = 6 * MOST_IN_FLIGHT
#: The same for coroutines: none are prefetched.
_ENTRIES_FOR_EACH_COROUTINE = 6


@dataclass(frozen=True, kw_only=True)
class WorkerGroupOptions:
    """Settings of a worker group, beyond those of its pool.

    Attributes:
        slots: How many tasks it runs at once, in threads or processes.
        coroutines: How many ``async def`` tasks it runs at once besides, in an event loop; 0 without one.
        wait_for_threads: A slot is taken until its thread has ended: no thread is abandoned.
        max_tasks: The group is replaced after this many tasks; None for no limit.
        max_memory: The group is replaced when its process is larger (MiB); None for no limit.
        suspects_only: Run suspects, one at a time, until there are none.
        isolated: Each task runs in a process of its own below the group's, and can't harm the group.
    """

    slots: int
    coroutines: int = 0
    wait_for_threads: bool = False
    max_tasks: int | None = None
    max_memory: int | None = None
    suspects_only: bool = False
    isolated: bool = False

    @property
    def all_slots(self) -> int:
        """How many tasks it runs at once, of whatever kind."""
        return 1 if self.suspects_only else self.slots + self.coroutines

    @property
    def max_claims(self) -> int:
        """How many messages it may have in flight, what waits for a slot aside."""
        return self.slots + self.coroutines


@dataclass(frozen=True, kw_only=True)
class ProcessWorkerGroupOptions(WorkerGroupOptions):
    """Settings of a group that runs tasks in processes.

    Attributes:
        tasks_per_process: How many tasks a process serves before it ends.
        prune_interval: The longest sleep (ms) of the engine while tasks run.
    """

    isolated: bool = True
    tasks_per_process: int = 1
    prune_interval: int = DEFAULT_PRUNE_INTERVAL

    @property
    def max_claims(self) -> int:
        """How many messages it may have in flight: processes that serve many tasks prefetch some."""
        return self.slots if self.tasks_per_process == 1 else self.slots * (1 + MOST_PREFETCHED)


def new_shared_state(options: WorkerGroupOptions) -> SharedState:
    """Create the shared state of a group. It has entries for all claims that the group may have at once."""
    coroutines = options.coroutines
    others = options.max_claims - coroutines
    entries = _ENTRIES_FOR_EACH_CLAIM * others
    if not options.isolated:
        entries = max(entries, _ENTRIES_FOR_VERY_SHORT)
    state = SharedState(entries + _ENTRIES_FOR_EACH_COROUTINE * coroutines + 16)
    state.max_claims = options.max_claims
    return state
