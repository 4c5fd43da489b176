"""Paused queues: what waits in them costs nothing and wakes nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, is_quiet, put_to_sleep, submit
from tests.unit.sqlite.instructions import Instructions
from tests.waiting import rings

Open = Callable[..., SQLiteBackend]


@pytest.fixture
def asleep(backend: SQLiteBackend) -> Iterator[Waiter]:
    """A worker of the queue that sleeps."""
    waiter = put_to_sleep(backend, "asleep")
    yield waiter
    waiter.close()


def sweep(backend: SQLiteBackend) -> None:
    """Let the sweeper come by."""
    for n in range(2 * sweeping.ROUND):
        backend.set("tick", n)


def test_a_message_of_a_paused_queue_wakes_nobody(
    backend: SQLiteBackend, open_backend: Open, asleep: Waiter
) -> None:
    """A process that has paused the queue, or has looked since, wakes no worker for it."""
    producer = open_backend()
    backend.messages.pause("q", "ada")
    submit(backend, "a")
    assert is_quiet(asleep)
    sweep(producer)
    submit(producer, "b")
    assert is_quiet(asleep)
    submit(producer, "c", queue="q")
    assert is_quiet(asleep)


def test_a_process_that_saw_the_pause_sees_its_end(
    backend: SQLiteBackend, open_backend: Open, asleep: Waiter
) -> None:
    """What it submits after another process has resumed the queue wakes a worker."""
    producer = open_backend()
    backend.messages.pause("q", "ada")
    sweep(producer)
    submit(producer, "a")
    assert is_quiet(asleep)
    backend.messages.resume("q")
    assert rings(asleep)
    Player(backend, "other").step()
    asleep.drain()
    asleep.arm()
    submit(producer, "b")
    assert rings(asleep)


def test_a_fault_after_the_commit_is_no_error(
    backend: SQLiteBackend, asleep: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it can't be seen whether the queue is still paused, the message is stored, and a worker woken to look."""

    def away(*_: object) -> None:
        raise BackendUnavailableError("away")

    backend.messages.pause("q", "ada")
    monkeypatch.setattr(backend._database, "read", away)
    assert submit(backend, "a") == [True]
    monkeypatch.undo()
    assert rings(asleep)


def test_the_row_of_a_paused_queue_stays(timed: SQLiteBackend) -> None:
    """A queue that is empty stays paused, however often others sweep; once resumed its row goes."""
    timed.messages.pause("q", "ada")
    submit(timed, "last", queue="last")
    sweep(timed)
    assert [pause.queue for pause in timed.messages.pauses()] == ["q"]
    submit(timed, "a")
    assert Player(timed).claim() == []
    timed.messages.remove("q", "a")
    timed.messages.resume("q")
    sweep(timed)
    assert timed.messages.tallies() == timed.messages.tallies(["last"])


def test_what_is_paused_costs_a_step_nothing(
    instructions: Instructions, timed: SQLiteBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step runs as many instructions beside 2,000 messages of paused queues as beside none."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = Player(timed, queues=None)

    def work(uuid: str) -> None:
        submit(timed, uuid, queue="other")
        (claim,) = player.claim()
        assert claim.uuid == uuid
        timed.messages.remove("other", uuid)
        player.step()

    work("warm")
    without = instructions.of(lambda: work("without"))
    for queue in ("a", "q"):
        timed.messages.pause(queue, "ada")
        submit(timed, *(f"{queue}{n}" for n in range(1_000)), queue=queue)
    assert instructions.of(lambda: work("beside")) <= without + 50


def test_an_older_process_fills_no_lane_of_a_paused_queue(backend: SQLiteBackend, path: Path) -> None:
    """The trigger knows of the pause, whoever inserts."""
    submit(backend, "a")
    backend.messages.pause("q", "ada")
    backend.messages.remove("q", "a")
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO ready SELECT id * 8, 0, 1, 1 FROM queues WHERE name = 'q'")
        assert other.execute("SELECT * FROM lanes").fetchall() == []
    other.close()
