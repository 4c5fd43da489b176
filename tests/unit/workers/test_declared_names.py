"""Which declared schedules a worker may fire: its own, and those that another living worker declares."""

from __future__ import annotations

from typing import Any

from alsek.core.worker.scheduling.declared import DeclaredNames
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Worker, WorkerFacts
from tests.clock import Clock
from tests.unit.workers.fakes import FakeClock


class Workers:
    """A store's port that counts how often it is asked for the workers."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._messages = backend.messages
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._messages, name)

    def workers(self) -> Any:
        """As the port's."""
        self.asked += 1
        return self._messages.workers()

    def register(self, worker_id: str, *schedules: str) -> None:
        """Register a worker that declares these."""
        facts = WorkerFacts("host", 1, "1", (), 1, True, schedules)
        self._messages.register(Worker(worker_id, "thread", None, 10_000, 0), facts)


def test_its_own_need_no_look_at_the_store(clock: Clock) -> None:
    """Nearly all are."""
    workers: Any = Workers(MemoryBackend(clock=clock))
    assert "a" in DeclaredNames(("a", "b"), workers)
    assert workers.asked == 0


def test_those_of_other_workers_count_while_these_live(clock: Clock) -> None:
    """Until the end of the lease; a worker that has told nothing declares nothing. The answer counts for a second."""
    workers: Any = Workers(MemoryBackend(clock=clock))
    mine = FakeClock()
    names = DeclaredNames(("a",), workers, mine)
    workers._messages.register(Worker("silent", "thread", None, 10_000, 0))
    assert "b" not in names
    workers.register("other", "b", "c")
    assert "b" not in names
    assert workers.asked == 1
    mine.now += 1_000
    assert "b" in names
    assert "c" in names
    assert workers.asked == 2
    clock.advance(10_000)
    mine.now += 1_000
    assert "b" not in names
