"""Decides when an engine claims, how much, and when it looks at the store although nothing woke it."""

from __future__ import annotations

from typing import Any

from alsek.core.clock import monotonic_ms
from alsek.core.worker.engine.capacity import Capacity
from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Step

#: The longest time between two looks at the store, whatever wakes the engine: nothing tells of a worker whose lease has
#: ended, and its messages must not wait for long. Less than one command a second.
LOOK_EVERY_MS = 1_500

#: The same in a burst: another group may have ended since, and have left something.
LOOK_IN_BURST_EVERY_MS = 500

#: The same without a waiter.
_WITHOUT_WAITER_MS = 1_000

#: How often the size of the process is checked.
_SIZE_CHECK_EVERY_MS = 1_000


class ClaimPolicy:
    """Decides about the claims of one engine. Waits for nothing, and calls no store.

    A *claim* takes messages up to the limit. A *look* is a step that claims nothing: without a free slot, it
    finds out whether messages wait, so that the supervisor can start another group.

    Args:
        executor: Runs the jobs.
        state: Shared with the supervisor.
        options: Settings of the engine.

    Attributes:
        draining: Claim no more.
        runs_suspect: A suspect runs, and must run alone.
        started: How many jobs were started.
        should_claim: Messages may wait: claim up to the limit.
        should_look: Messages may wait while there is no free slot: send a step all the same.
    """

    def __init__(self, executor: Executor[Any], state: SharedState, options: EngineOptions) -> None:
        self.draining = False
        self.runs_suspect = False
        self.started = 0
        self.should_claim = True
        self.should_look = False
        self._executor = executor
        self._state = state
        self._options = options
        self._capacity = Capacity(executor, state)
        self._stepped_at = 0
        self._next_due_at: int | None = None
        self._look_not_before = 0
        self._size_checked_at = monotonic_ms()

    @property
    def limit(self) -> int:
        """How many messages a step would claim now."""
        if self.draining or self.runs_suspect or not self.should_claim:
            return 0
        limit = self._capacity.limit
        max_tasks = self._options.max_tasks
        return limit if max_tasks is None else max(0, min(limit, max_tasks - self.started))

    @property
    def full(self) -> bool:
        """Whether no message could start at once. Beside a suspect none could: the store would hand out none either."""
        return self.runs_suspect or self._capacity.free_slots <= 0

    def before_step(self, now: int) -> int:
        """Return how many messages the step claims that is sent `now` (monotonic ms)."""
        # A step that reports outcomes claims as well, whether or not messages are known to wait: it costs nothing.
        self.should_claim = True
        self.should_look = False
        self._stepped_at = now
        return self.limit

    def after_step(self, step: Step, limit: int, now: int) -> None:
        """Take in the answer to a step that asked for `limit` messages, after the claimed ones were started."""
        self.should_claim = bool(step.waiting) and len(step.claimed) >= limit
        self._next_due_at = None if step.next_due is None else now + max(1, step.next_due)
        options = self._options
        if (
            (options.max_tasks is not None and self.started >= options.max_tasks)
            or self._executor.exhausted
            or (
                options.suspects_only
                and not step.claimed
                and not step.suspects
                and not self._executor.in_flight
            )
        ):
            self.draining = True
        if now - self._size_checked_at >= _SIZE_CHECK_EVERY_MS:
            self._size_checked_at = now
            if options.is_too_large():  # which takes a while: a signal may set it meanwhile
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

    def wants_wakeup(self, now: int) -> bool:
        """Whether the store should wake this engine when a message is ready.

        Without a free slot, only while the engine is not known to be saturated: another group may be needed then.
        """
        return not self.full or (now >= self._look_not_before and not self._state.saturated_since)

    def on_wakeup(self, now: int) -> bool:
        """Take in that the store has woken this engine; False if another worker should be woken instead."""
        if self.draining:
            return False
        if not self.full:
            self.should_claim = True
            return True
        if self._state.saturated_since:
            return False
        self.should_look = True  # that step wakes another worker if there is something for it
        self._look_not_before = now + self._options.slot_wait_interval
        return True

    def on_sleep_end(self, now: int, timed_out: bool) -> None:
        """Take in that a sleep has ended without a wake-up of the store's."""
        if timed_out and not self.full:
            self.should_claim = True  # a delayed message is due, or it is time to look
        elif not self.draining and now >= self._stepped_at + LOOK_EVERY_MS:
            # The tasks may run for hours, and perhaps no other worker sees that a message is due, or that its worker is
            # lost. Another group, or another pool, may take it.
            self.should_look = True
