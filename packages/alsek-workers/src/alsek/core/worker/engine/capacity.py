"""How many messages a worker group takes, and the terms for it.

::

    slot kind    what a message takes up while it runs: a thread, a process, or a coroutine of the group's event loop.
                 Most groups have slots of one kind; that of a thread pool with `async def` tasks has threads and
                 coroutines
    slots        how many tasks a group runs at once, of each kind: `n_threads`, `n_coroutines` or `n_processes` of its
                 pool
    in flight    the messages that a group has started and that have not finished; more than its slots while some of
                 them are prefetched
    max claims   the most messages that the supervisor lets a group have in flight, what waits for a slot aside
    free slots   how many more messages of a kind could start at once; less than zero while some wait for a slot
    prefetch     how many messages may be claimed beyond the free slots, because those that run end within milliseconds
    limit        how many messages of a kind the next step may claim: free slots and prefetch

A process pool's executor sends messages ahead to processes that run many each. It counts those as free slots, and max
claims includes them; its prefetch is zero.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeAlias

from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind

#: How many messages may be claimed, by slot kind. Kinds for which there is no room are left out.
Limits: TypeAlias = dict[SlotKind, int]

_NO_ROOM: Final[Limits] = {}

#: The most messages for coroutines that one step claims, so that it stays short: neither the store nor the event loop
#: is held up by a hundred thousand at once.
COROUTINES_IN_STEP: Final = 500


class Capacity:
    """The free slots and the limits of a group with slots of one kind.

    Args:
        executor: Runs the group's jobs.
        state: Has the group's max claims, and one entry for each claim.
    """

    __slots__ = ("_executor", "_kind", "_slots", "_state")

    def __init__(self, executor: Executor[Any], state: SharedState) -> None:
        self._executor = executor
        self._state = state
        self._kind: SlotKind
        ((self._kind, self._slots),) = executor.slots_by_kind.items()

    def free_slots(self, kind: SlotKind) -> int:
        """How many more messages of this kind could start at once; less than zero while some wait for a slot."""
        return min(self._slots.free_slots, self._state.max_claims - self._executor.in_flight)

    @property
    def full(self) -> bool:
        """Whether no message could start at once."""
        return min(self._slots.free_slots, self._state.max_claims - self._executor.in_flight) <= 0

    def limits(self, most: int | None, wanted: Collection[SlotKind]) -> Limits:
        """Return how many messages the next step may claim.

        Args:
            most: No more than so many in all; None for no such bound.
            wanted: The kinds for which messages are known to wait. If there is not one for each, these come first.
        """
        slots, state = self._slots, self._state
        free_slots = min(slots.free_slots, state.max_claims - self._executor.in_flight)
        limit = min(free_slots + slots.prefetch, state.free_entries)
        if most is not None:
            limit = min(limit, most)
        return {self._kind: limit} if limit > 0 else _NO_ROOM


class MixedCapacity(Capacity):
    """The free slots and the limits of a group with slots of several kinds: none takes up those of another."""

    __slots__ = ("_by_kind",)

    def __init__(self, executor: Executor[Any], state: SharedState) -> None:
        self._executor = executor
        self._state = state
        self._by_kind = executor.slots_by_kind

    def free_slots(self, kind: SlotKind) -> int:
        """How many more messages of this kind could start at once; less than zero while some wait for a slot."""
        free_slots = self._by_kind[kind].free_slots
        return free_slots if free_slots <= 0 else min(free_slots, self._free_claims)

    @property
    def _free_claims(self) -> int:
        """How many more messages the supervisor allows. Those that wait for a slot do not run."""
        waiting = sum(min(0, slots.free_slots) for slots in self._by_kind.values())
        return self._state.max_claims - self._executor.in_flight - waiting

    @property
    def full(self) -> bool:
        """Whether no message of any kind could start at once."""
        return self._free_claims <= 0 or all(slots.free_slots <= 0 for slots in self._by_kind.values())

    def limits(self, most: int | None, wanted: Collection[SlotKind]) -> Limits:
        """Return how many messages of each kind the next step may claim: see :meth:`Capacity.limits`."""
        free: Limits = {}
        limits: Limits = {}
        for kind, slots in self._by_kind.items():
            free_slots = slots.free_slots
            if free_slots > 0:
                free[kind] = free_slots
            if free_slots + slots.prefetch > 0:
                limits[kind] = free_slots + slots.prefetch
        free_claims = self._free_claims
        if sum(free.values()) > free_claims:
            allowed = shared_out(free, free_claims, wanted)
            limits = {
                kind: limit
                for kind in limits
                if (limit := limits[kind] - free.get(kind, 0) + allowed.get(kind, 0)) > 0
            }
        if limits.get("coroutine", 0) > COROUTINES_IN_STEP:
            limits["coroutine"] = COROUTINES_IN_STEP
        entries = self._state.free_entries
        return shared_out(limits, entries if most is None else min(entries, most), wanted)


def shared_out(limits: Limits, most: int, wanted: Collection[SlotKind]) -> Limits:
    """Return limits that are `most` in all: as many of each kind as of another, as far as its own limit allows.

    Args:
        limits: The limit of each kind.
        most: How many there may be in all.
        wanted: These kinds come first if there is not one for each.
    """
    if sum(limits.values()) <= most:
        return limits
    if most < len(limits):
        order = sorted(limits, key=lambda kind: kind not in wanted)
    else:
        order = sorted(limits, key=lambda kind: limits[kind])
    shared: Limits = {}
    for position, kind in enumerate(order):
        share = min(limits[kind], -(-most // (len(order) - position)))
        if share > 0:
            shared[kind] = share
            most -= share
    return shared
