"""What the contract does not say of the memory backend: its own arguments, and how its tables forget."""

from __future__ import annotations

import gc
import select
import time
import weakref
from contextlib import closing

from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.memory.store import ExpiringDict
from alsek.storage.backends.records import Submission, Succeeded, TaskStatus, Worker
from alsek.storage.serialization import Serializer
from tests.clock import Clock


class _Hex(Serializer):
    """Numbers as text, to be seen in what is stored."""

    def forward(self, obj: object) -> str:
        return f"{obj:x}"

    def reverse(self, obj: bytes) -> int:
        return int(obj, 16)


def test_two_objects_are_two_stores() -> None:
    """Nothing is shared between objects, not even under one namespace, and they know it."""
    one, two = MemoryBackend(), MemoryBackend()
    one.set("name", 1)
    assert not two.exists("name")
    assert one.same_store(one)
    assert not one.same_store(two)
    assert not MemoryBackend.shared


def test_it_runs_on_the_wall_clock_by_default() -> None:
    """Without a clock of its own, times are Unix milliseconds."""
    backend = MemoryBackend()
    before = time.time_ns() // 1_000_000
    backend.statuses.put("a", TaskStatus.RUNNING)
    (record,) = backend.statuses.get(["a"])
    assert record is not None
    assert before <= record.timestamp <= time.time_ns() // 1_000_000


def test_values_pass_the_serializer() -> None:
    """Values are kept as the serializer's bytes, text as UTF-8."""
    backend = MemoryBackend(serializer=_Hex())
    backend.set("name", 255)
    assert backend.get("name") == 255
    with backend.subscribe("c") as subscription:
        backend.pub("c", 16)
        note = subscription.wait(0)
        assert note is not None
        assert note.data == b"10"


def test_mutable_payloads_are_copied() -> None:
    """What a caller does to its own buffer later does not reach the store."""
    backend = MemoryBackend()
    buffer = bytearray(b"before")
    backend.messages.add([Submission("a", "q", buffer)], "r")  # type: ignore[arg-type]
    buffer[:] = b"after!"
    stored = backend.messages.get("q", "a")
    assert stored is not None
    assert stored.payload == b"before"


def test_what_a_caller_does_to_an_answer_does_not_change_its_repetition() -> None:
    """A repeated step is answered as the first time, even if the first answer was emptied meanwhile."""
    backend = MemoryBackend()
    worker = Worker("w", "any", None, 1_000, 0)
    backend.messages.register(worker)
    backend.messages.add([Submission("a", "q", b"")], "r")
    first = backend.messages.step(worker, 1, (), {worker.kind: 1})
    claimed = list(first.claimed)
    first.claimed.clear()
    assert backend.messages.step(worker, 1, (), {worker.kind: 1}).claimed == claimed


def test_it_says_what_it_is() -> None:
    """Its name in logs tells that it is gone with the process, and its namespace."""
    backend = MemoryBackend(namespace="tests")
    assert "memory" in backend.describe()
    assert "tests" in backend.describe()
    assert repr(backend) == "MemoryBackend(namespace='tests')"


def test_a_dropped_backend_is_freed() -> None:
    """Nothing global keeps a store alive: tests may make thousands."""
    backend = MemoryBackend()
    backend.set("name", 1)
    store = weakref.ref(backend._store)
    del backend
    gc.collect()
    assert store() is None


def test_thousands_of_wakes_need_no_listener() -> None:
    """A waiter that nobody drains holds up no producer."""
    backend = MemoryBackend()
    worker = Worker("w", "any", None, 1_000, 0)
    backend.messages.register(worker)
    with closing(backend.messages.waiter(worker)) as waiter:
        for n in range(5_000):
            waiter.arm()
            backend.messages.add([Submission(f"m{n}", "q", b"")], f"r{n}")
        assert select.select([waiter], [], [], 1)[0]
        assert waiter.drain()
        assert not waiter.drain()


def test_entries_end_at_their_time_and_not_before() -> None:
    """An entry is there until its last millisecond, and gone with it."""
    clock = Clock()
    table: ExpiringDict[str, int] = ExpiringDict(clock)
    table.put("a", 1, 10)
    table.put("b", 2, None)
    table.put("c", 3, -1)
    clock.now += 9
    assert table.get("a") == 1
    clock.now += 1
    assert table.get("a") is None
    assert table.items() == [("b", 2), ("c", 3)]
    assert table.clear() == 2
    assert table.items() == []


def test_a_rewritten_entry_is_the_newest_and_ends_anew() -> None:
    """An older end does not take a rewritten entry away, and its place is that of the last write."""
    clock = Clock()
    table: ExpiringDict[str, int] = ExpiringDict(clock)
    table.put("a", 1, 10)
    table.put("b", 2, 100)
    table.put("a", 3, 100)
    clock.now += 50
    assert table.items() == [("b", 2), ("a", 3)]
    assert table.pop("b") == 2
    assert table.pop("b") is None


def test_rewriting_does_not_grow_the_table() -> None:
    """An entry that is rewritten for ever leaves no trail of ends behind."""
    table: ExpiringDict[str, int] = ExpiringDict(Clock())
    for n in range(10_000):
        table.put("a", n, 604_800_000)
    assert len(table._ends) < 200
    assert table.get("a") == 9_999


def test_finished_messages_leave_nothing_behind() -> None:
    """After the window, a store through which many messages went holds no trace of them."""
    clock = Clock()
    backend = MemoryBackend(clock=clock)
    worker = Worker("w", "any", None, 10_000_000, 0)
    messages = backend._messages
    messages.register(worker)
    for n in range(500):
        messages.add([Submission(f"m{n}", f"q{n}", b"", status_ttl=1_000)], f"r{n}")
        (claimed,) = messages.step(worker, 2 * n, (), {worker.kind: 1}).claimed
        messages.step(
            worker, 2 * n + 1, [Succeeded(claimed.uuid, claimed.queue, claimed.token)], {worker.kind: 0}
        )
    clock.now += 100_000
    assert messages.queues() == []
    assert not messages.table.messages
    assert not messages.table.remembered.items()
    assert not backend._store.statuses.items()
