"""An executor, a session, a waiter and a poll object that do what a test says, without threads or sleeping."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Claimed, Pushed, Step


def answer(claimed: int = 0, waiting: tuple[SlotKind, ...] = (), **fields: Any) -> Step:
    """The answer to a step, with so many claims."""
    step = Step([], [Claimed(str(n), "q", b"", n) for n in range(claimed)], None, waiting, False, [], [])
    return step._replace(**fields)


class FakeSlots:
    """So many slots of one kind."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.in_flight = 0
        self.prefetch = 0

    @property
    def free_slots(self) -> int:
        """The slots that no job has."""
        return self.slots - self.in_flight


class FakeExecutor:
    """An executor with so many threads, that starts nothing; or with slots of the kinds that are given."""

    def __init__(self, slots: int = 2, **others: int) -> None:
        self.slots_by_kind = {kind: FakeSlots(many) for kind, many in {"thread": slots, **others}.items()}
        self.exhausted = False
        self.shares_interpreter = True
        self.deadline: int | None = None
        self.has_finished = False
        self.ready: list[Set[int]] = []

    @property
    def in_flight(self) -> int:
        """How many jobs there are."""
        return sum(slots.in_flight for slots in self.slots_by_kind.values())

    @in_flight.setter
    def in_flight(self, many: int) -> None:
        """So many jobs are in threads."""
        self.slots_by_kind["thread"].in_flight = many

    def next_deadline(self) -> int | None:
        """As the test says."""
        return self.deadline

    def register_with(self, poll: Any) -> bool:
        """False if the test says that a job has finished."""
        return not self.has_finished

    def on_ready(self, ready: Set[int]) -> None:
        """Note the descriptors."""
        self.ready.append(ready)


class FakeWaiter:
    """A waiter whose descriptor is a number."""

    interval = 5_000

    def __init__(self, slot: SlotKind | None = None, descriptor: int = 1_000_000) -> None:
        self.slot = slot
        self._descriptor = descriptor
        self.armed = 0
        self.passed_on = 0
        self.closed = False
        self.worthwhile = True
        self.receives = False
        self.pushed: list[Pushed] = []
        self.broken = False

    def fileno(self) -> int:
        """A descriptor that no file has."""
        return self._descriptor

    def arm(self) -> None:
        """Count, or fail if the test says that the store is away."""
        if self.broken:
            raise BackendUnavailableError("the store is away")
        self.armed += 1

    def drain(self) -> bool:
        """Whether a claim is worthwhile."""
        return self.worthwhile

    def take_pushed(self) -> list[Pushed]:
        """What the test has pushed."""
        taken, self.pushed = self.pushed, []
        return taken

    def pass_on(self) -> None:
        """Count."""
        self.passed_on += 1

    def close(self) -> None:
        """Note it."""
        self.closed = True


class FakeSession:
    """A session that makes one waiter after the other."""

    def __init__(self) -> None:
        self.waiters: list[FakeWaiter] = []

    def waiter(self, slot: SlotKind | None = None) -> FakeWaiter:
        """Make one."""
        self.waiters.append(FakeWaiter(slot, 1_000_000 + len(self.waiters)))
        return self.waiters[-1]

    def accept(self, pushes: list[Pushed]) -> list[Claimed]:
        """All of them."""
        return [push.claimed for push in pushes]


class FakePoll:
    """Ends each wait at once; moves the clock on by its timeout if no descriptor is ready."""

    def __init__(self) -> None:
        self.now = 100_000
        self.ready: list[int] = []
        self.registered: set[int] = set()
        self.timeouts: list[int | None] = []

    def __call__(self) -> FakePoll:
        """Stand in for ``select.poll``."""
        self.registered = set()
        return self

    def clock(self) -> int:
        """The time (ms)."""
        return self.now

    def register(self, file: Any, events: int) -> None:
        """Note the descriptor."""
        self.registered.add(file if isinstance(file, int) else file.fileno())

    def poll(self, timeout: int | None) -> list[tuple[int, int]]:
        """The descriptors that the test has made ready."""
        self.timeouts.append(timeout)
        ready, self.ready = self.ready, []
        if not ready:
            self.now += timeout or 0
        return [(descriptor, 1) for descriptor in ready if descriptor in self.registered]
