"""How many messages a worker group takes, and the terms for it.

::

    slots        how many tasks a group runs at once: `n_threads` or `n_processes` of its pool
    in flight    the messages that a group has started and that have not finished; more than its slots while some of
                 them are prefetched
    max claims   the most messages that the supervisor lets a group have in flight, what threads prefetch aside
    free slots   how many more messages could start at once; less than zero while prefetched ones wait for a thread
    prefetch     how many messages may be claimed beyond the free slots, because those that run end within milliseconds
    limit        how many messages the next step may claim: free slots and prefetch

A process pool's executor sends messages ahead to processes that run many each. It counts those as free slots, and max
claims includes them; its prefetch is zero.
"""

from __future__ import annotations

from typing import Any

from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.shared_state import SharedState


class Capacity:
    """The free slots and the limit of one group.

    Args:
        executor: Runs the group's jobs.
        state: Has the group's max claims, and one entry for each claim.
    """

    __slots__ = ("_executor", "_state")

    def __init__(self, executor: Executor[Any], state: SharedState) -> None:
        self._executor = executor
        self._state = state

    @property
    def free_slots(self) -> int:
        """How many more messages could start at once; less than zero while prefetched ones wait."""
        executor = self._executor
        return min(executor.free_slots, self._state.max_claims - executor.in_flight)

    @property
    def limit(self) -> int:
        """How many messages the next step may claim."""
        executor, state = self._executor, self._state
        free_slots = min(executor.free_slots, state.max_claims - executor.in_flight)
        return max(0, min(free_slots + executor.prefetch, state.free_entries))
