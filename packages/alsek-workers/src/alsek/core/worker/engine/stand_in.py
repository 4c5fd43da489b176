"""Lets an idle task thread stand in for the engine's own thread while that sleeps.

A message that comes to an idle group would wake the engine's thread; that would wake a task's thread and hand it the
interpreter; and the end of the task would wake the engine's thread again. So an idle task thread waits for the store
itself. It takes in what comes, as the engine does, runs the task, sends the step that reports it, and waits again: one
thread is woken where three were.

Who has the *turn* is the engine: only that thread uses the session, the claim policy and the executor's side of the
engine. The engine's thread has the turn except while it sleeps. It stays the one that deadlines, signals and all that
is unusual wake.

While the engine's thread sleeps, it is woken by the store's waiter, unless a task thread waits there. A task thread
that goes to run something puts the waiter's descriptor into the set on which the engine's thread sleeps already, which
needs no wake-up.
"""

from __future__ import annotations

import select
import threading
from typing import Final, Protocol

from alsek.core.wakeup_pipe import WakeupPipe

#: The engine's thread sleeps no longer than this while another may stand in for it. It then sees which deadlines there
#: are, and that it is time to ask which messages were revoked.
LONGEST_SLEEP_MS: Final = 900

#: Later than any deadline.
_NEVER: Final = 2**63


class Turns(Protocol):
    """An engine for which a task thread stands in."""

    def take_turn(self, stand_in: StandIn, *, woken: bool) -> int:
        """Do what there is to do, in a task thread, unless that thread has work by then.

        Args:
            stand_in: Has the turn.
            woken: The store's waiter is ready.

        Returns:
            The waiter's descriptor; -1 if the engine's own thread must go on.
        """
        ...


class StandIn:
    """Who is the engine now, and who waits for the store. One for each group whose pool has threads only.

    Args:
        control: Wakes the engine's thread.

    Attributes:
        turn: Held by the thread that is the engine.
        waiting: The place of the task thread that waits for the store; None if none does.
        descriptor: Of the waiter at which a task thread waits; -1 if none does.
        sleeps_until: When the engine's thread wakes (monotonic ms); 0 while it is awake.
        in_turn: A task thread is the engine.
        has_work: The task thread that has the turn takes work from the queue when the turn is over.
    """

    def __init__(self, control: WakeupPipe) -> None:
        self.turn = threading.Lock()
        self.waiting: object | None = None
        self.descriptor = -1
        self.sleeps_until = 0
        self.in_turn = False
        self.has_work = False
        self._control = control
        self._engine: Turns
        #: What the engine's thread sleeps on, besides other descriptors: the waiter, or nothing.
        self._watch: select.epoll | None = None
        self._watched = -1
        #: The engine's thread sleeps, and the waiter is in the set, or a task thread waits there.
        self._open = False
        #: The engine's thread is awake and has not got the turn yet: it comes before those whose tasks have ended.
        self._engine_waits = False

    def serve(self, engine: Turns) -> None:
        """Stand in for this engine from now on."""
        self._engine = engine

    # In the engine's thread, which has the turn:

    def sleep(self, poll: select.poll, descriptor: int, timeout: int) -> frozenset[int]:
        """Sleep, and return which descriptors are ready. Task threads may be the engine meanwhile.

        Args:
            poll: What else wakes the engine's thread.
            descriptor: Of the store's waiter. It wakes this thread, unless a task thread waits there.
            timeout: When to wake at the latest (ms).
        """
        watch = self._watch = select.epoll()
        poll.register(watch.fileno(), select.POLLIN)
        if self.waiting is None or self.descriptor != descriptor:
            self._hand_back(descriptor)
        self._open = True
        try:
            ready = self.poll(poll, timeout)
        finally:
            self._open = False
        if watch.fileno() in ready:
            ready = ready - {watch.fileno()} | {descriptor}
        poll.unregister(watch.fileno())
        poll.register(descriptor, select.POLLIN)  # for a short sleep
        watch.close()
        return ready

    def poll(self, poll: select.poll, timeout: int | None) -> frozenset[int]:
        """Poll without the turn, and return which descriptors are ready.

        Outside of :meth:`sleep` nobody is the engine meanwhile; but who waits for the turn may learn that.
        """
        self.turn.release()
        try:
            events = poll.poll(timeout)
        finally:
            self._engine_waits = True
            self.turn.acquire()
            self._engine_waits = False
        return frozenset(descriptor for descriptor, _ in events)

    def dismiss(self) -> None:
        """Nobody waits for the store from now on: its waiters are closed."""
        self.waiting, self.descriptor = None, -1

    # In a task thread:

    def take_turn(self, place: object) -> bool:
        """Be the engine for a turn, if its thread sleeps; else return False.

        Args:
            place: Where this thread sleeps if it waits for the store afterwards.
        """
        if not self._open or self._engine_waits or not self.turn.acquire(blocking=False):
            return False
        try:
            if not self._open:
                return False
            if self.waiting is None:
                assert self._watch is not None
                self._watch.unregister(self._watched)  # what this turn will see is to wake nobody
                self.waiting = place
            self._be_engine(place, woken=False)
            return True
        finally:
            self.turn.release()

    def on_ready(self, place: object) -> None:
        """Be the engine for a turn, because the waiter is ready. Called with the turn, by who waits at this place."""
        if self.waiting is place:
            if self._open:
                self._be_engine(place, woken=True)
            else:
                self.dismiss()  # the engine's thread has the waiter to itself

    def _be_engine(self, place: object, *, woken: bool) -> None:
        self.in_turn = True
        self._after_turn(place, self._engine.take_turn(self, woken=woken))
        self.in_turn = self.has_work = False

    def _after_turn(self, place: object, descriptor: int) -> None:
        if descriptor < 0:
            self.dismiss()
            self._open = False
            self.wake_engine()
        elif self.waiting is None or self.waiting is place:
            if self.has_work:
                self._hand_back(descriptor)
            else:
                self.waiting, self.descriptor = place, descriptor
        elif descriptor != self.descriptor:
            self._hand_back(descriptor)

    def _hand_back(self, descriptor: int) -> None:
        """Have the engine's thread woken by the waiter."""
        self.dismiss()
        self._watched = descriptor
        assert self._watch is not None
        self._watch.register(descriptor, select.EPOLLIN)

    def leave(self, place: object) -> None:
        """Stop waiting for the store, because this thread has work."""
        with self.turn:
            if self.waiting is place:
                descriptor = self.descriptor
                self.dismiss()
                if self._open:
                    self._hand_back(descriptor)

    def call_off(self, place: object) -> None:
        """The thread that sleeps at this place is woken for work. Called with the turn."""
        if self.waiting is place:
            self.dismiss()

    def takes_work(self) -> bool:
        """Whether work that was just queued is taken by the thread that has the turn, so that none is to be woken."""
        if not self.in_turn or self.has_work:
            return False
        self.has_work = True
        return True

    def note_deadline(self, deadline: int) -> None:
        """Wake the engine's thread if it would oversleep this deadline (monotonic ms)."""
        if deadline < self.sleeps_until:
            self.wake_engine()

    def deadlines_are_read(self) -> None:
        """The engine's thread reads the deadlines, and then sleeps: those that are set meanwhile are to wake it."""
        self.sleeps_until = _NEVER

    def wake_engine(self) -> None:
        """Wake the engine's thread."""
        self.sleeps_until = 0  # once is enough
        self._control.notify()


def stand_ins_are_supported() -> bool:
    """Whether the system has what they take. Only Linux has."""
    return hasattr(select, "epoll")
