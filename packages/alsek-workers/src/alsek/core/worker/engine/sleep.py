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
from alsek.core.worker.engine.stand_in import LONGEST_SLEEP_MS, StandIn
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed

#: How long the engine leaves the interpreter to tasks that begin.
_TO_BEGIN_MS: Final = 1


class Sleep:
    """Lets an engine sleep until there is something to do. Owns the store's waiters: one for each slot kind.

    A context manager around all turns of the engine.

    Args:
        session: Makes the waiters.
        executor: Wakes the engine when a job has finished.
        state: Is told since when the group is idle.
        policy: Decides which wake-ups are wanted, and when to look at the store.
        control: Becomes readable when a signal has arrived.
        clock: Returns monotonic milliseconds.
        make_poll: Makes the object that waits for descriptors.
        stand_in: Lets a task thread wait for the store meanwhile; None if none may.
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
        stand_in: StandIn | None = None,
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
        self._stand_in = stand_in
        #: When to look at the store, if the sleep before has ended for the sake of a stand-in; else None.
        self._look_by: int | None = None

    def __enter__(self) -> None:
        """Have the turn from now on, except while asleep."""
        if self._stand_in is not None:
            self._stand_in.turn.acquire()

    def __exit__(self, *_: object) -> None:
        """Close the waiters, and leave the turn: no task thread can take it any more."""
        self.close_waiters()
        if self._stand_in is not None:
            self._stand_in.turn.release()

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
        if self._stand_in is not None:
            self._stand_in.deadlines_are_read()
        wakes = [executor.next_deadline()]
        poll = self._poll = self._make_poll()
        poll.register(self._control, select.POLLIN)
        waiters: dict[int, tuple[SlotKind, Waiter]] = {}
        look_at: int | None = None
        if now < store_away_until:
            wakes.append(store_away_until)
        else:
            wakes.append(step_at)
            if executor.in_flight:
                wakes.append(check_revoked_at)
            for kind, waiter in self._armed_waiters(now).items():
                waiters[waiter.fileno()] = kind, waiter
            if self._begins_to_receive():
                self._policy.claim_again()
                return ()
            look_at = earliest(self._look_at(now), self._look_by)
            wakes.append(look_at)
        self._update_idle_since(now)
        if not executor.register_with(poll):
            return ()
        ready = self._wait(poll, tuple(waiters), now, earliest(*wakes), look_at)
        if ready is None:
            executor.on_ready(frozenset())
            return ()
        if self._control.reader in ready:
            self._control.read()  # the handler has run
        executor.on_ready(ready)
        woken = False
        pushed: Sequence[Claimed] = ()
        for descriptor, (kind, waiter) in waiters.items():
            if descriptor in ready and self._waiters.get(kind) is waiter:
                woken = True
                self._drain(kind, waiter)
                if pushes := waiter.take_pushed():
                    pushed = self._session.accept(pushes)
        if not woken:
            self._policy.on_sleep_end(self._clock(), timed_out=not ready)
        elif self._begins_to_receive():
            self._policy.claim_again()
        return pushed

    def _drain(self, kind: SlotKind, waiter: Waiter) -> bool:
        """Read what made a waiter ready, and return whether a claim is worthwhile, for this worker or another."""
        worthwhile = waiter.drain()
        if worthwhile and not self._policy.on_wakeup(kind, self._clock()):
            waiter.pass_on()
        return worthwhile

    def _wait(
        self, poll: select.poll, descriptors: Sequence[int], now: int, wake: int | None, look_at: int | None
    ) -> frozenset[int] | None:
        """Sleep until `wake`, and return which descriptors are ready.

        Returns None if a task thread may stand in meanwhile, and it is time to see what it has begun.
        """
        stand_in = self._stand_in
        if stand_in is not None and self.can_be_shared:
            (descriptor,) = descriptors
            until = now + LONGEST_SLEEP_MS
            if wake is not None and wake <= until:
                until = wake
            stand_in.sleeps_until = until
            self._look_by = look_at
            ready = stand_in.sleep(poll, descriptor, max(0, until - self._clock()))
            if not ready and until != wake:
                return None
        else:
            if stand_in is not None and wake is not None:
                stand_in.sleeps_until = wake
            for descriptor in descriptors:
                poll.register(descriptor, select.POLLIN)
            ready = self._poll_alone(poll, None if wake is None else max(0, wake - self._clock()))
        if stand_in is not None:
            stand_in.sleeps_until = 0
        self._look_by = None
        return ready

    def _poll_alone(self, poll: select.poll, timeout: int | None) -> frozenset[int]:
        """Poll, and return which descriptors are ready. No task thread stands in meanwhile."""
        if self._stand_in is not None:
            return self._stand_in.poll(poll, timeout)
        return frozenset(descriptor for descriptor, _ in poll.poll(timeout))

    def _look_at(self, now: int) -> int | None:
        """When to look at the store although nothing woke the engine (monotonic ms); None for never."""
        interval = min((waiter.interval for waiter in self._waiters.values()), default=None)
        return self._policy.wake_at(now, interval)

    @property
    def can_be_shared(self) -> bool:
        """Whether a task thread may wait for the store in place of the engine's thread."""
        return len(self._waiters) == 1 and self.receives and not self._policy.draining

    def take_in(self) -> tuple[Sequence[Claimed], int]:
        """Take in what has come to the waiter, in a task thread that has waited for the store.

        Returns:
            The messages that the worker was pushed, and the waiter's descriptor: -1 if more has come.
        """
        ((kind, waiter),) = self._waiters.items()
        if self._drain(kind, waiter):
            if self._begins_to_receive():
                self._policy.claim_again()
            descriptor = -1
        else:
            descriptor = waiter.fileno() if waiter.is_armed else -1
        pushes = waiter.take_pushed()
        return self._session.accept(pushes) if pushes else (), descriptor

    def note_queued(self, started: int) -> None:
        """Wake the engine's thread in time for what waits behind the first of so many messages, just started."""
        if started > 1 and (deadline := self._executor.next_deadline()) is not None:
            assert self._stand_in is not None
            self._stand_in.note_deadline(deadline)

    def continue_sleep(self, now: int, hand_over_at: int | None, *, looked: bool) -> int:
        """Do what comes before a sleep, in a task thread, while the engine's thread sleeps on.

        Args:
            now: As in :meth:`until_woken`.
            hand_over_at: As there.
            looked: A step was sent since the engine's thread fell asleep.

        Returns:
            The waiter's descriptor; -1 if it is not to be shared, or there is something to do at once.

        Raises:
            BackendError: As there.
        """
        self._armed_waiters(now)
        if not self.can_be_shared:
            return -1
        if self._begins_to_receive():
            self._policy.claim_again()
            return -1
        look_at = self._look_at(now)
        if looked:
            self._look_by = look_at
        if self._policy.full:
            look_at = None  # it would only look whether it is saturated
        self._update_idle_since(now)
        stand_in = self._stand_in
        assert stand_in is not None
        wake = earliest(self._executor.next_deadline(), hand_over_at, look_at)
        if wake is not None:
            stand_in.note_deadline(wake)
        (waiter,) = self._waiters.values()
        return waiter.fileno()

    def let_tasks_begin(self) -> None:
        """Leave the interpreter to tasks that were just started after a sleep, until one ends, or for a millisecond.

        The threads that are to run them would else wait for it until the next sleep begins.
        """
        executor = self._executor
        if self._stand_in is not None and executor.in_flight == 1:
            return  # the sleep follows at once, so that the task's thread can stand in when it ends
        if self._poll is not None and executor.shares_interpreter and executor.register_with(self._poll):
            executor.on_ready(self._poll_alone(self._poll, _TO_BEGIN_MS))

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
        if self._stand_in is not None:
            self._stand_in.dismiss()
        for waiter in waiters.values():
            waiter.close()


def earliest(*times: int | None) -> int | None:
    """The least of these times; None if there is none."""
    return min((each for each in times if each is not None), default=None)
