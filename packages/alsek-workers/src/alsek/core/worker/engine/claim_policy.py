"""Decides when an engine claims, how much, and when it looks at the store although nothing woke it."""

from __future__ import annotations

from typing import Any

from alsek.core.clock import monotonic_ms
from alsek.core.worker.engine.capacity import Capacity, Limits, MixedCapacity
from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Step

#: The longest time between two looks at the store, whatever wakes the engine: nothing tells of a worker whose lease has
#: ended, and its messages must not wait for long. Less than one command a second. A worker without ``async def`` tasks
#: seeks messages of such tasks as often.
LOOK_EVERY_MS = 1_500

#: The same in a burst: another group may have ended since, and have left something.
LOOK_IN_BURST_EVERY_MS = 500

#: The same without a waiter.
_WITHOUT_WAITER_MS = 1_000

#: How often the size of the process is checked.
_SIZE_CHECK_EVERY_MS = 1_000


class ClaimPolicy:
    """Decides about the claims of one engine. Waits for nothing, and calls no store.

    A *claim* takes messages up to the limit of each slot kind. A *look* is a step that claims nothing: without a free
    slot, it finds out whether messages wait, so that the supervisor can start another group.

    Args:
        executor: Runs the jobs.
        state: Shared with the supervisor.
        options: Settings of the engine.
        seeks_async: The worker has no ``async def`` tasks. Now and then it *seeks* messages of such tasks, whose tasks
            perhaps nobody has: such a step takes them instead of others.

    Attributes:
        kinds: The kinds of slots.
        draining: Claim no more.
        runs_suspect: A suspect runs, and must run alone.
        started: How many jobs were started.
        wanted: The slot kinds for which messages may wait.
        should_look: Messages may wait while there is no free slot: send a step all the same.
        sees_all: The last step has seen all that the worker could take.
        found_all: The last step left nothing that the worker could take.
        takes_pushes: The worker may be pushed messages between two steps. Not in a burst: its end depends on what each
            group holds since a step.
    """

    def __init__(
        self,
        executor: Executor[Any],
        state: SharedState,
        options: EngineOptions,
        *,
        seeks_async: bool = False,
    ) -> None:
        self.kinds: tuple[SlotKind, ...] = tuple(executor.slots_by_kind)
        self.draining = False
        self.runs_suspect = False
        self.started = 0
        self.wanted: tuple[SlotKind, ...] = self.kinds
        self.should_look = False
        self.sees_all = not seeks_async
        self.found_all = True
        self.takes_pushes = not (options.burst or options.suspects_only)
        self._executor = executor
        self._state = state
        self._options = options
        self._capacity = (Capacity if len(self.kinds) == 1 else MixedCapacity)(executor, state)
        self._stepped_at = 0
        self._next_due_at: int | None = None
        self._look_not_before = dict.fromkeys(self.kinds, 0)
        now = monotonic_ms()
        self._size_checked_at = now
        self._seeks_async = seeks_async
        self._seek_at = now if options.suspects_only else now + LOOK_EVERY_MS
        self._more_to_seek = False

    @property
    def should_claim(self) -> bool:
        """Whether messages may wait that a step would claim now."""
        if not self.wanted:
            return False
        limits = self._limits()
        return any(kind in limits for kind in self.wanted)

    def claim_again(self) -> None:
        """Claim as soon as there is room: messages of any slot kind may wait."""
        self.wanted = self.kinds

    def _limits(self) -> Limits:
        """How many messages a step would claim now, by slot kind."""
        if self.draining or self.runs_suspect:
            return {}
        max_tasks = self._options.max_tasks
        most = None if max_tasks is None else max(0, max_tasks - self.started)
        return self._capacity.limits(most, self.wanted)

    @property
    def full(self) -> bool:
        """Whether no message could start at once. Beside a suspect none could: the store would hand out none either."""
        return self.runs_suspect or self._capacity.full

    def is_full(self, kind: SlotKind) -> bool:
        """Whether no message that takes up such a slot could start at once."""
        return self.runs_suspect or self._capacity.free_slots(kind) <= 0

    def before_step(self, now: int) -> Limits:
        """Return how many messages the step claims that is sent `now` (monotonic ms), by slot kind."""
        # A step that reports outcomes claims as well, whether or not messages are known to wait: it costs nothing.
        limits = self._limits()
        self.wanted = self.kinds
        self.should_look = False
        self._stepped_at = now
        if self._seeks_async and (self.sees_all or now >= self._seek_at or self._options.burst):
            return self._seeking(limits, now)
        return limits

    def _seeking(self, limits: Limits, now: int) -> Limits:
        """Return the limits of a step that seeks, if it is time to."""
        has_just, self.sees_all = self.sees_all, False
        if not limits or has_just:  # two in succession would hold up all other messages
            return limits
        if now < self._seek_at and not (self._options.burst and not self._executor.in_flight):
            return limits
        self.sees_all = True
        self._seek_at = now + LOOK_EVERY_MS
        return {"coroutine": sum(limits.values())}

    def _after_seeking(self, now: int) -> None:
        """Take in the answer to a step that has sought, or to the one after it: seek again soon if some are left."""
        if self.sees_all:
            self._more_to_seek = "coroutine" in self.wanted
        if self._more_to_seek:
            self._seek_at = now
            self.claim_again()

    def after_step(self, step: Step, limits: Limits, now: int) -> None:
        """Take in the answer to a step with these limits, after the claimed messages were started."""
        waiting = step.waiting
        self.found_all = not waiting and not step.suspects
        if not waiting:
            self.wanted = ()
        elif waiting == self.kinds and len(waiting) == 1:  # nearly always
            self.wanted = waiting if len(step.claimed) >= limits.get(waiting[0], 0) else ()
        else:
            claimed = len(step.claimed)
            self.wanted = tuple(kind for kind in waiting if claimed >= limits.get(kind, 0))
        if self._seeks_async and (self.sees_all or self._more_to_seek):
            self._after_seeking(now)
        self._next_due_at = None if step.next_due is None else now + max(1, step.next_due)
        options = self._options
        if self._executor.exhausted or (
            options.suspects_only and not step.claimed and not step.suspects and not self._executor.in_flight
        ):
            self.draining = True
        if now - self._size_checked_at >= _SIZE_CHECK_EVERY_MS:
            self._size_checked_at = now
            if options.is_too_large():  # which takes a while: a signal may set it meanwhile
                self.draining = True

    def note_started(self, many: int) -> None:
        """Take in that so many jobs were started."""
        self.started += many
        if self._options.max_tasks is not None and self.started >= self._options.max_tasks:
            self.draining = True

    def wake_at(self, now: int, interval: int | None) -> int | None:
        """When to end a sleep although nothing woke the engine (monotonic ms); None for never.

        Args:
            now: When the sleep begins (monotonic ms).
            interval: The longest sleep that the waiter allows (ms); None without a waiter.
        """
        if self.draining:
            return None
        if self.full:
            return min(now + self._options.slot_wait_interval, self._stepped_at + LOOK_EVERY_MS)
        at = now + (_WITHOUT_WAITER_MS if interval is None else min(interval, LOOK_EVERY_MS))
        if self._options.burst:
            at = min(at, now + LOOK_IN_BURST_EVERY_MS)
        return at if self._next_due_at is None else min(at, self._next_due_at)

    def wants_wakeup(self, kind: SlotKind, now: int) -> bool:
        """Whether the store should wake this engine when a message is ready that takes up such a slot.

        Without a free one, only while the engine is not known to be saturated: another group may be needed then.
        """
        return not self.is_full(kind) or (
            now >= self._look_not_before[kind] and not self._state.saturated_since
        )

    def on_wakeup(self, kind: SlotKind, now: int) -> bool:
        """Take in that the store has woken this engine for such a slot; False if another worker should be woken."""
        if self.draining:
            return False
        if not self.is_full(kind):
            self.wanted = (*self.wanted, kind)
            return True
        if self._state.saturated_since:
            return False
        self.should_look = True  # that step wakes another worker if there is something for it
        self._look_not_before[kind] = now + self._options.slot_wait_interval
        return True

    def on_sleep_end(self, now: int, timed_out: bool) -> None:
        """Take in that a sleep has ended without a wake-up of the store's."""
        if timed_out and not self.full:
            self.claim_again()  # a delayed message is due, or it is time to look
        elif not self.draining and now >= self._stepped_at + LOOK_EVERY_MS:
            # The tasks may run for hours, and perhaps no other worker sees that a message is due, or that its worker is
            # lost. Another group, or another pool, may take it.
            self.should_look = True

    def is_saturated(self, step: Step) -> bool:
        """Whether messages wait, by the answer to a step, that take up slots of which none is free."""
        waiting = step.waiting
        if waiting == self.kinds and len(waiting) == 1:
            return self.full
        return bool(waiting) and any(kind in self.kinds and self.is_full(kind) for kind in waiting)

    def note_needs(self, step: Step, now: int) -> bool:
        """Write down for the supervisor whether more groups are needed; True if it is to look at once."""
        state, notable = self._state, False
        if not self.is_saturated(step):
            state.saturated_since = 0
        elif not state.saturated_since:
            state.saturated_since = now
            notable = True
        if step.suspects and not self._options.suspects_only and not state.suspects:
            state.suspects = 1
            notable = True
        return notable
