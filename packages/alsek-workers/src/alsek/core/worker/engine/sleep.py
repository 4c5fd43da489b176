"""How an engine sleeps: which descriptors end the sleep, and when it ends without them."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from typing import Any, Final

from alsek.core.clock import monotonic_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.claim_policy import ClaimPolicy
from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed

#: How long the engine leaves the interpreter to tasks that begin.
_TO_BEGIN_MS: Final = 1


class Sleep:
    """Lets an engine sleep until there is something to do. Owns the store's waiters: one for each slot kind.

    Args:
        session: Makes the waiters.
        executor: Wakes the engine when a job has finished.
        state: Is told since when the group is idle.
        policy: Decides which wake-ups are wanted, and when to look at the store.
        control: Becomes readable when a signal has arrived.
        clock: Returns monotonic milliseconds.
        make_poll: Makes the object that waits for descriptors.
    """

    def __init__(
        self,
        session: WorkerSession,
        executor: Executor[Any],
        state: SharedState,
        policy: ClaimPolicy,
        control: WakeupPipe,
        clock: Callable[[], int] = monotonic_ms,
        make_poll: Callable[[], select.poll] = select.poll,
    ) -> None:
        self._session = session
        self._executor = executor
        self._state = state
        self._policy = policy
        self._control = control
        self._clock = clock
        self._make_poll = make_poll
        self._waiters: dict[SlotKind, Waiter] = {}
        self._received = False
        self._poll: select.poll | None = None

    @property
    def receives(self) -> bool:
        """Whether pushes reach this engine now."""
        return self._policy.takes_pushes and any(waiter.receives for waiter in self._waiters.values())

    def _begins_to_receive(self) -> bool:
        """Whether pushes reach the engine that did not the last time: its next step is to make it a sleeper."""
        before, self._received = self._received, self.receives
        return self._received and not before

    def until_woken(
        self, now: int, store_away_until: int, check_revoked_at: int, step_at: int | None = None
    ) -> Sequence[Claimed]:
        """Sleep, and return the messages that the worker was pushed meanwhile.

        Args:
            now: The time (monotonic ms) by which the engine has found nothing to do. By a later one the store might be
                back, and the engine would sleep on although it has something to tell it.
            store_away_until: The store is not to be used before (monotonic ms); 0 if it answers.
            check_revoked_at: When to ask which running messages were revoked (monotonic ms).
            step_at: When to send a step although nothing woke the engine (monotonic ms); None if nothing is due.

        Raises:
            BackendError: The waiter could not be made or armed.
        """
        executor = self._executor
        wakes = [executor.next_deadline()]
        poll = self._poll = self._make_poll()
        poll.register(self._control, select.POLLIN)
        waiters: dict[SlotKind, Waiter] = {}
        if now < store_away_until:
            wakes.append(store_away_until)
        else:
            wakes.append(step_at)
            if executor.in_flight:
                wakes.append(check_revoked_at)
            waiters = self._armed_waiters(now)
            if self._begins_to_receive():
                self._policy.claim_again()
                return ()
            interval = min((waiter.interval for waiter in waiters.values()), default=None)
            wakes.append(self._policy.wake_at(now, interval))
        for waiter in waiters.values():
            poll.register(waiter.fileno(), select.POLLIN)
        self._update_idle_since(now)
        if not executor.register_with(poll):
            return ()
        wake = min((each for each in wakes if each is not None), default=None)
        events = poll.poll(None if wake is None else max(0, wake - self._clock()))
        ready = frozenset(descriptor for descriptor, _ in events)
        if self._control.reader in ready:
            self._control.read()  # the handler has run
        executor.on_ready(ready)
        woken = False
        pushed: Sequence[Claimed] = ()
        for kind, waiter in waiters.items():
            if waiter.fileno() in ready:
                woken = True
                if waiter.drain() and not self._policy.on_wakeup(kind, self._clock()):
                    waiter.pass_on()
                if pushes := waiter.take_pushed():
                    pushed = self._session.accept(pushes)
        if not woken:
            self._policy.on_sleep_end(self._clock(), timed_out=not events)
        elif self._begins_to_receive():
            self._policy.claim_again()
        return pushed

    def let_tasks_begin(self) -> None:
        """Leave the interpreter to tasks that were just started after a sleep, until one ends, or for a millisecond.

        The threads that are to run them would else wait for it until the next sleep begins.
        """
        executor = self._executor
        if self._poll is not None and executor.shares_interpreter and executor.register_with(self._poll):
            events = self._poll.poll(_TO_BEGIN_MS)
            executor.on_ready(frozenset(descriptor for descriptor, _ in events))

    def _armed_waiters(self, now: int) -> dict[SlotKind, Waiter]:
        """The waiters, armed if wake-ups are wanted. One that was armed before still receives them."""
        policy = self._policy
        if not policy.draining:
            for kind in policy.kinds:
                if policy.wants_wakeup(kind, now):
                    waiter = self._waiters.get(kind)
                    if waiter is None:
                        # With slots of one kind, it is to be woken for all that the worker takes.
                        waiter = self._waiters[kind] = self._session.waiter(
                            kind if len(policy.kinds) > 1 else None
                        )
                    waiter.arm()
        return self._waiters

    def _update_idle_since(self, now: int) -> None:
        if self._executor.in_flight:
            self._state.idle_since = 0
        elif not self._state.idle_since:
            self._state.idle_since = now

    def close_waiters(self) -> None:
        """Close the waiters; the next sleep makes others."""
        waiters, self._waiters = self._waiters, {}
        self._received = False
        for waiter in waiters.values():
            waiter.close()
