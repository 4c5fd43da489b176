"""The rows of empty queues: they go, and whoever used such a queue before goes on as if they had stayed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.storage.backends.records import Added, Failed, Retried, Submission
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, Process, done, says, submit, tell

Open = Callable[..., SQLiteBackend]


def sweep(backend: SQLiteBackend) -> None:
    """Let the sweeper come by, twice."""
    for n in range(2 * sweeping.ROUND):
        backend.set("tick", n)


def queues(path: Path) -> dict[str, int]:
    """The rows of queues: name and number."""
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT name, id FROM queues").fetchall())
    finally:
        connection.close()


def test_a_queue_for_each_message_leaves_no_rows(timed: SQLiteBackend, path: Path) -> None:
    """Thousands of queues that are used once each: their rows are deleted in passing, a bounded number at a time."""
    player = Player(timed, queues=None)
    for n in range(1_500):
        submit(timed, f"m{n}", queue=f"job-{n}")
        (claimed,) = player.step(limit=1).claimed
        player.step(done(claimed), limit=0)
    assert len(queues(path)) <= sweeping._PIECE
    sweep(timed)
    assert list(queues(path)) == ["job-1499"]


@pytest.mark.parametrize("state", ["ready", "delayed", "claimed", "retried", "dead"])
def test_a_queue_that_holds_anything_stays(timed: SQLiteBackend, path: Path, state: str) -> None:
    """A message in whatever state, or a dead letter, keeps the row of its queue."""
    submit(timed, "a", delay=1_000 if state == "delayed" else 0)
    if state in ("claimed", "retried", "dead"):
        player = Player(timed)
        (claimed,) = player.step().claimed
        if state == "retried":
            player.step(Retried("a", "q", claimed.token, 1_000, 1))
        if state == "dead":
            player.step(Failed("a", "q", claimed.token, b"{}", 10**9))
    submit(timed, "last", queue="last")
    sweep(timed)
    assert "q" in queues(path)
    if state == "dead":
        assert timed.messages.purge("q") == 1
        sweep(timed)
        assert "q" not in queues(path)


def test_a_number_never_stands_for_another_queue(timed: SQLiteBackend, path: Path) -> None:
    """Numbers grow: that of a queue whose row is gone is not given to another."""
    seen: dict[int, str] = {}
    for n in range(5):
        submit(timed, f"m{n}", queue=f"q{n}")
        for name, number in queues(path).items():
            assert seen.setdefault(number, name) == name
        timed.messages.remove(f"q{n}", f"m{n}")
        sweep(timed)
    assert len(seen) == 5


def test_whoever_used_the_queue_before_goes_on(
    timed: SQLiteBackend, open_backend: Open, path: Path, clock: Clock
) -> None:
    """Producers, workers and others that knew a queue find it again after another process has swept its row away."""
    other = open_backend(clock=clock)
    named, general = Player(timed, "named"), Player(timed, "general", queues=None)
    sleeper = timed.messages.waiter(named.worker)
    submit(timed, "a")
    (claimed,) = named.step().claimed
    named.step(done(claimed))
    assert timed.messages.count("q") == 0
    submit(other, "elsewhere", queue="z")
    sweep(other)
    assert "q" not in queues(path)
    assert named.step().claimed == []
    assert timed.messages.get("q", "b") is None
    assert timed.messages.purge("q") == 0
    assert list(timed.messages.browse("q")) == []
    assert submit(timed, "b", "c") == [True, True]
    assert submit(timed, "b") == [False]
    assert timed.messages.exists("q", "b")
    assert [stored.uuid for stored in timed.messages.browse("q")] == ["b", "c"]
    (claimed,) = named.step(limit=1).claimed
    assert (claimed.uuid, claimed.queue) == ("b", "q")
    named.step(Failed("b", "q", claimed.token, b"{}", 10**9), limit=0)
    assert timed.messages.dead_letter("q", "b") is not None
    assert [one.uuid for one in general.step().claimed] == ["c", "elsewhere"]
    sleeper.close()


def test_an_uuid_that_has_finished_stays_refused(timed: SQLiteBackend, path: Path) -> None:
    """Who submits a finished message again is refused, though its queue's row was swept away."""
    submit(timed, "a")
    submit(timed, "z", queue="z")
    player = Player(timed)
    (claimed,) = player.step().claimed
    player.step(done(claimed))
    sweep(timed)
    assert "q" not in queues(path)
    assert timed.messages.add([Submission("a", "q", b"")], "another request") == [
        Added(False, "a", "finished")
    ]


_PRODUCE = """
say('ready')
for n in range(600):
    if n % 100 == 0:
        sys.stdin.readline()
    uuid = f'{sys.argv[2]}-{n}'
    assert messages.add([Submission(uuid, f'q{n % 5}', b'')], uuid)[0].accepted
say('done')
"""


def test_sweeping_and_adding_at_once_loses_nothing(
    backend: SQLiteBackend, python: Callable[..., Process], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two producers add to a few queues that are empty time and again, while each transaction of a worker sweeps."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 1)
    producers = [python(_PRODUCE, name) for name in "ab"]
    assert [says(each) for each in producers] == ["ready"] * 2
    numbers: dict[int, str] = {}
    player = Player(backend, queues=None)
    got: list[str] = []
    for most in range(200, 1_201, 200):
        for each in producers:
            tell(each)
        while len(got) < most:
            claimed = player.step(limit=50).claimed
            player.step(*(done(one) for one in claimed), limit=0)
            got += [one.uuid for one in claimed]
            for name, number in queues(path).items():
                assert numbers.setdefault(number, name) == name
            assert claimed or any(each.poll() is None for each in producers)
        player.step()  # all queues are empty now, however busy the machine is
    assert len(set(got)) == 1_200
    assert [says(each) for each in producers] == ["done"] * 2
    assert len(numbers) > 5, "no row was ever swept away, so this shows nothing"


def test_names_that_a_process_remembers_are_bounded(
    timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has seen very many queues forgets the names of some, and finds them again."""
    monkeypatch.setattr("alsek.storage.backends.sqlite.database.queue_names._MOST_KEPT", 10)
    player = Player(timed, queues=None)
    for start in range(0, 100, 5):
        uuids = [f"m{n}" for n in range(start, start + 5)]
        for uuid in uuids:
            submit(timed, uuid, queue=f"queue of {uuid}")
        claimed = player.step().claimed
        assert [one.uuid for one in claimed] == sorted(uuids, key=lambda uuid: f"queue of {uuid}")
        assert player.step(*(done(one) for one in claimed), limit=0).refused == []
        assert len(timed._database._queue_names) <= 16


def test_clearing_keeps_numbers_growing(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """A cleared namespace leaves rows that are swept away like others; what comes later has new numbers."""
    for n in range(3):
        submit(timed, f"m{n}", queue=f"q{n}")
    before = queues(path)
    timed.clear_namespace()
    sweep(timed)
    submit(timed, "m", queue="q0")
    assert queues(path)["q0"] > max(before.values())
    clock.now += 1
    assert [one.uuid for one in Player(timed, queues=None).step().claimed] == ["m"]


def test_queues_that_keep_dead_letters_do_not_make_each_write_a_sweep(
    timed: SQLiteBackend,
) -> None:
    """Rows that are looked at and stay are no reason to sweep again at once."""
    player = Player(timed, queues=None)
    for n in range(60):
        submit(timed, f"m{n}", queue=f"q{n}")
        (claimed,) = player.step(limit=1).claimed
        player.step(Failed(claimed.uuid, claimed.queue, claimed.token, b"{}", 10**9), limit=0)
    sweeper = timed.messages._database._sweeper  # type: ignore[attr-defined]
    sweeper._transactions = sweeping._SWEEP_ONCE_IN - 1
    submit(timed, "a")
    assert sweeper._transactions == 0
