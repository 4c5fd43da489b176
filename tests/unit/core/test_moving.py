"""A move from one store to another, which may be killed after any step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alsek.core.moving.move import LEASE_MS, Move
from alsek.exceptions import BackendError, MoveError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import FOR_EVER, Submission, TaskStatus, Worker
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.clock import Clock
from tests.doomed_ports import DoomedPort, KilledError

#: How many things a batch has here.
BATCH = 20
COUNT = 2 * BATCH + 7


class Doomed:
    """A backend whose move is killed right after the n-th call that it makes.

    Args:
        backend: The backend.
        calls: How many calls are left, counted over both stores.
    """

    def __init__(self, backend: Backend, calls: list[int]) -> None:
        self._backend = backend
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        return DoomedPort(value, self._calls) if name in ("transfer", "messages") else value


def fill(backend: Backend) -> None:
    """Two batches of messages and some more, and a little of all else."""
    messages = backend.messages
    messages.add(
        [Submission(f"m{n:04}", "q", b"p", delay=n % 2 * (1_000_000 + n)) for n in range(COUNT)], "r"
    )
    messages.add([Submission("dead", "q", b"p", status_ttl=FOR_EVER)], "r2")
    messages.fail("q", "dead", b"{}", FOR_EVER)
    backend.results.put("r", b"1", progenitor="x")
    backend.statuses.put("s", TaskStatus.SUCCEEDED)
    backend.values.put("v", b"1")
    for name in ("daily", "hourly"):
        backend.schedules.put(name, b"{}", "r1", 5)


def found(backend: Backend) -> tuple[Any, ...]:
    """All that is there, in order."""
    messages = backend.messages
    worker = Worker("w", "any", None, 1_000_000, FOR_EVER)
    messages.register(worker)
    claimed = messages.step(worker, 1, [], {"any": 10 * COUNT}).claimed
    delayed = sorted(one.uuid for one in messages.browse("q") if one.state == "delayed")
    return (
        [claim.uuid for claim in claimed],
        delayed,
        [letter.uuid for letter in messages.dead_letters("q")],
        [result.uuid for result in backend.results.descendants("x")],
        sorted(status.uuid for status in backend.statuses.scan()),
        list(backend.values.scan("*")),
        backend.schedules.get(),
    )


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alsek.core.moving.move.BATCH", BATCH)


@pytest.fixture
def clock() -> Clock:
    """The clock of all stores."""
    return Clock()


@pytest.fixture
def stores(tmp_path: Path, clock: Clock) -> Callable[[str], Backend]:
    """Makes a new store of a kind."""
    made: list[Backend] = []

    def make(kind: str) -> Backend:
        if kind == "memory":
            made.append(MemoryBackend(clock=clock))
        else:
            made.append(SQLiteBackend(tmp_path / f"{len(made)}.db", clock=clock))
        return made[-1]

    return make


@pytest.fixture
def mover(clock: Clock) -> Callable[..., Move]:
    """Makes a move that passes its waiting on the stores' clock."""

    def make(source: Any, target: Any, **options: Any) -> Move:
        return Move(source, target, sleep=lambda seconds: clock.advance(int(seconds * 1_000)), **options)

    return make


WAYS = [
    ("memory", "memory"),
    ("memory", "sqlite"),
    ("sqlite", "memory"),
    pytest.param("sqlite", "sqlite", marks=pytest.mark.deep),
]


@pytest.mark.slow
@pytest.mark.parametrize(("origin", "destination"), WAYS)
def test_killed_after_any_call_it_goes_on(
    origin: str, destination: str, stores: Callable[[str], Backend], mover: Callable[..., Move], clock: Clock
) -> None:
    """Whichever call of the move was its last, the next one moves the rest: all is there, in order, each once."""
    twin = stores("memory")
    fill(twin)
    expected = found(twin)
    calls = 0
    killed = True
    while killed:
        calls += 1
        source, target = stores(origin), stores(destination)
        fill(source)
        left = [calls]
        try:
            mover(Doomed(source, left), Doomed(target, left)).run()
            killed = False
        except KilledError:
            clock.advance(LEASE_MS)
            left = [calls % 7 + 1]  # and once more, soon after it has begun again
            with pytest.raises(KilledError):
                mover(Doomed(source, left), Doomed(target, left)).run()
            clock.advance(LEASE_MS)
            assert mover(source, target).run().complete
        assert found(target) == expected, calls
        assert [list(source.transfer.read(kind, 10)) for kind in CopyKind] == [[]] * len(CopyKind), calls
    assert calls > 20


def test_another_move_at_work_is_told_in_the_end(
    stores: Callable[[str], Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A move waits for one that holds the source; if that goes on, it gives up and has changed nothing."""
    source, target = stores("memory"), stores("memory")
    fill(source)
    with pytest.raises(KilledError):
        Move(Doomed(source, left := [4]), Doomed(target, left)).run()
    expected = [one.uuid for one in source.messages.browse("q")]
    seconds = itertools.count(step=5)
    monkeypatch.setattr("alsek.core.moving.move.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    pauses: list[float] = []
    with pytest.raises(MoveError, match="another move is at work; wait until it has ended"):
        Move(source, target, sleep=pauses.append).run()
    assert pauses
    assert [one.uuid for one in source.messages.browse("q")] == expected


def test_large_things_are_moved_in_smaller_batches(
    stores: Callable[[str], Backend], mover: Callable[..., Move], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch ends once it is large enough, so that no step of a store is too large; all arrive in order."""
    twin, source, target = stores("memory"), stores("memory"), stores("sqlite")
    fill(twin)
    fill(source)
    monkeypatch.setattr("alsek.core.moving.move.BATCH_BYTES", 1)
    move = mover(source, target)
    batches: list[int] = []
    move.on_progress(lambda report: batches.append(report.moved.total()))
    assert move.run().complete
    assert batches == list(range(1, len(batches) + 1))
    assert found(target) == found(twin)


def test_a_name_that_is_used_on_the_way_is_told(
    stores: Callable[[str], Backend], mover: Callable[..., Move]
) -> None:
    """A message whose uuid the target has been given meanwhile becomes a dead letter there, and the report says so."""
    source, target = stores("memory"), stores("memory")
    fill(source)

    class Late(DoomedPort):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "commit":
                target.messages.add([Submission("m0000", "elsewhere", b"other")], "late")
            return super().__getattr__(name)

    class LateTarget(Doomed):
        def __getattr__(self, name: str) -> Any:
            return Late(target.transfer, [0]) if name == "transfer" else getattr(target, name)

    report = mover(source, LateTarget(target, [0])).run()
    (left,) = report.left
    assert left.key == "m0000"
    assert left.reason.endswith("while it was on its way: it is a dead letter there")
    assert [letter.uuid for letter in target.messages.dead_letters("q")].count("m0000") == 1


def test_the_report_counts_what_was_moved(
    stores: Callable[[str], Backend], mover: Callable[..., Move]
) -> None:
    """By kind, and each batch tells of it."""
    source, target = stores("memory"), stores("sqlite")
    fill(source)
    move = mover(source, target)
    seen: list[int] = []
    move.on_progress(lambda report: seen.append(report.moved.total()))
    report = move.run()
    assert {kind: report.moved[kind] for kind in CopyKind} == {
        CopyKind.MESSAGE: COUNT,
        CopyKind.DEAD_LETTER: 1,
        CopyKind.RESULT: 1,
        CopyKind.STATUS: 2,
        CopyKind.VALUE: 1,
        CopyKind.SCHEDULE: 2,
    }
    assert seen[:3] == [BATCH, 2 * BATCH, COUNT] or sorted(seen) == seen
    assert (report.resumed, report.left, report.held) == (False, [], 0)


def test_what_the_target_refuses_stays(stores: Callable[[str], Backend], mover: Callable[..., Move]) -> None:
    """It is named with a reason, and everything else is moved."""
    source, target = stores("memory"), stores("sqlite")
    source.messages.add([Submission(name, "q", b"p", status_ttl=FOR_EVER) for name in "abc"], "r")
    source.messages.add([Submission("large", "q", b"p", priority=2**70)], "r2")
    target.messages.add([Submission("b", "q", b"other")], "r3")
    report = mover(source, target).run()
    assert not report.complete
    assert [(left.key, left.reason.partition(": ")[2]) for left in report.left] == [
        ("b", "a message of this uuid is stored there (ready)"),
        ("large", f"SQLite stores integers up to {2**63 - 1}"),
    ]
    assert sorted(one.uuid for one in source.messages.browse("q")) == ["b", "large"]
    assert [record.uuid for record in source.statuses.scan()] == ["b"]
    assert report.moved[CopyKind.MESSAGE] == 2


def test_times_follow_the_target_s_clock(mover: Callable[..., Move], clock: Clock) -> None:
    """What is due in a minute is due in a minute, however the clocks of the two machines differ."""
    ahead = 3_600_000
    source, target = MemoryBackend(clock=clock), MemoryBackend(clock=lambda: clock() + ahead)
    source.messages.add(
        [Submission("late", "q", b"p", delay=60_000), Submission("short", "q", b"p", ttl=9_000)], "r"
    )
    source.values.put("v", b"1", 60_000)
    mover(source, target).run()
    worker = Worker("w", "any", None, 10_000_000, FOR_EVER)
    target.messages.register(worker)
    clock.advance(8_999)
    step = target.messages.step(worker, 1, [], {"any": 9})
    assert [(claim.uuid, claim.expired) for claim in step.claimed] == [("short", False)]
    assert step.next_due == 60_000 - 8_999
    clock.advance(step.next_due - 1)
    assert target.values.get("v") == b"1"
    clock.advance(1)
    assert target.values.get("v") is None
    assert [claim.uuid for claim in target.messages.step(worker, 2, [], {"any": 9}).claimed] == ["late"]


def test_the_same_store_is_refused(stores: Callable[[str], Backend], mover: Callable[..., Move]) -> None:
    """Also by another address."""
    source = stores("sqlite")
    assert isinstance(source, SQLiteBackend)
    with pytest.raises(MoveError, match="are the same store"):
        mover(source, source).run()
    other = Doomed(source, [0])
    with pytest.raises(MoveError, match="are the same store"):
        mover(MemoryBackendLike(source), other).run()


class MemoryBackendLike(Doomed):
    """The same store under another address."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, [0])

    def same_store(self, other: object) -> bool:
        return False


def test_a_worker_at_work_is_named(
    stores: Callable[[str], Backend], mover: Callable[..., Move], clock: Clock
) -> None:
    """While one renews its lease, nothing is moved."""
    source, target = stores("memory"), stores("memory")
    fill(source)
    worker = Worker("alive", "any", None, 1_000, FOR_EVER)
    source.messages.register(worker)

    def sleep(seconds: float) -> None:
        clock.advance(int(seconds * 1_000))
        source.messages.renew(worker, 0, ())

    with pytest.raises(MoveError, match="worker alive is at work"):
        Move(source, target, sleep=sleep).run()
    assert target.messages.queues() == []
    assert [each.id for each in source.messages.workers()] == ["alive"]


def test_what_a_dead_worker_held_is_moved(
    stores: Callable[[str], Backend], mover: Callable[..., Move]
) -> None:
    """Once its lease has ended, with one loss, as if another worker had taken over."""
    source, target = stores("memory"), stores("memory")
    source.messages.add([Submission("a", "q", b"p")], "r")
    worker = Worker("dead", "any", None, 1_000, FOR_EVER)
    source.messages.register(worker)
    assert source.messages.step(worker, 1, [], {"any": 1}).claimed
    assert mover(source, target).run().complete
    moved = target.messages.get("q", "a")
    assert moved is not None
    assert (moved.state, moved.losses) == ("ready", 1)
    assert source.messages.workers() == []


def test_a_long_lease_is_not_waited_for(stores: Callable[[str], Backend], mover: Callable[..., Move]) -> None:
    """A consumer that is registered for an hour is named at once."""
    source, target = stores("memory"), stores("memory")
    source.messages.register(Worker("consumer", "any", None, 3_600_000, FOR_EVER))
    with pytest.raises(MoveError, match="its lease lasts 3600000 ms more"):
        mover(source, target).run()


def test_a_move_elsewhere_must_end_first(
    stores: Callable[[str], Backend], mover: Callable[..., Move], clock: Clock
) -> None:
    """Or be abandoned."""
    source, target, other = stores("memory"), stores("memory"), stores("sqlite")
    fill(source)
    left = [12]
    with pytest.raises(KilledError):
        mover(Doomed(source, left), Doomed(target, left)).run()
    clock.advance(LEASE_MS)
    with pytest.raises(MoveError, match="a move to memory of this process, namespace 'alsek' has not ended"):
        mover(source, other).run()
    assert mover(source, other, abandon=True).run().complete


def test_pauses_go_along(stores: Callable[[str], Backend], mover: Callable[..., Move]) -> None:
    """A queue that is paused is paused in the target before anything arrives there."""
    source, target = stores("memory"), stores("memory")
    fill(source)
    source.messages.pause("q", "me")
    mover(source, target).run()
    assert [(pause.queue, pause.by) for pause in target.messages.pauses()] == [("q", "me")]
    assert source.messages.pauses() == []


def test_a_backend_without_the_port_says_so() -> None:
    """Its own error names its class."""

    class Other(MemoryBackend):
        transfer = Backend.transfer  # pyright: ignore[reportIncompatibleMethodOverride]

    with pytest.raises(BackendError, match="Other has no transfer port"):
        Move(Other(), MemoryBackend())
