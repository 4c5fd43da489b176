"""Steps: repetition, steps that write nothing, and the rows that a message leaves behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import BackendError
from alsek.storage.backends.records import Released, Retried
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, done, submit

TABLES = ("messages", "ready", "delayed", "claims")


def rows(path: Path, *tables: str) -> list[int]:
    """How many rows each table has."""
    connection = sqlite3.connect(path)
    try:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    finally:
        connection.close()


def log_size(path: Path) -> int:
    """The size of the write-ahead log: it grows with every commit."""
    return Path(f"{path}-wal").stat().st_size


def test_an_idle_step_writes_nothing(timed: SQLiteBackend, path: Path) -> None:
    """A worker that finds nothing to do does not take the write lock."""
    player = Player(timed)
    player.step()
    before = log_size(path)
    for _ in range(10):
        assert player.step().claimed == []
    assert log_size(path) == before


def test_an_idle_step_still_tells_that_a_worker_was_here(timed: SQLiteBackend, clock: Clock) -> None:
    """Idle workers count as contact: while there is one, what a lost worker held is taken over in time."""
    lost, idle = Player(timed, "lost", lease=10_000), Player(timed, "idle", lease=10_000)
    submit(timed, "a")
    assert len(lost.step().claimed) == 1
    for _ in range(9):
        clock.now += 1_000
        assert idle.step().claimed == []
    timed.messages.renew(idle.worker, idle.seq, [])
    clock.now += 1_001
    (claimed,) = idle.step().claimed
    assert (claimed.uuid, claimed.losses) == ("a", 1)


def test_an_idle_answer_is_repeated(timed: SQLiteBackend) -> None:
    """A step that found nothing has the same answer when it is sent again, though a message has come since."""
    player = Player(timed)
    first = player.step()
    submit(timed, "a")
    assert timed.messages.step(player.worker, player.seq, [], {player.worker.kind: 100}) == first
    assert len(player.step().claimed) == 1


def test_an_answer_is_repeated_by_another_process(
    timed: SQLiteBackend, open_backend: Callable[..., SQLiteBackend], clock: Clock
) -> None:
    """The answer to a step that wrote is kept in the file, so that any process gets it again."""
    submit(timed, "a", "b")
    submit(timed, "c", delay=500)
    player = Player(timed)
    first = player.step(limit=1)
    (a,) = first.claimed
    second = player.step(done(a), done(a), limit=1)
    assert second.refused == ["a"]
    assert second.next_due == 500
    other = open_backend(clock=clock)
    assert (
        other.messages.step(player.worker, player.seq, [done(a), done(a)], {player.worker.kind: 1}) == second
    )
    assert timed.messages.count("q") == 2


def test_a_step_that_comes_late_is_refused(timed: SQLiteBackend) -> None:
    """A step older than the last one is an error, and changes nothing."""
    player = Player(timed)
    submit(timed, "a")
    player.step(limit=0)
    player.step(limit=1)
    with pytest.raises(BackendError, match="came after"):
        timed.messages.step(player.worker, 0, [], {player.worker.kind: 1})


def test_a_message_is_in_one_table_at_a_time(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """Besides its own row a message has one for its state, and none after it has ended."""
    player = Player(timed)
    submit(timed, "a")
    assert rows(path, *TABLES) == [1, 1, 0, 0]
    (claimed,) = player.step().claimed
    assert rows(path, *TABLES) == [1, 0, 0, 1]
    player.step(Retried("a", "q", claimed.token, 1_000, 1), limit=0)
    assert rows(path, *TABLES) == [1, 0, 1, 0]
    clock.now += 1_000
    player.step(limit=0)
    assert rows(path, *TABLES) == [1, 1, 0, 0]
    (claimed,) = player.step().claimed
    player.step(Released("a", "q", claimed.token), limit=0)
    assert rows(path, *TABLES) == [1, 1, 0, 0]
    (claimed,) = player.step().claimed
    player.step(done(claimed))
    assert rows(path, *TABLES, "finished") == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("state", ["ready", "delayed", "claimed"])
@pytest.mark.parametrize("deed", ["remove", "fail", "reschedule", "clear"])
def test_deeds_leave_no_row_behind(timed: SQLiteBackend, path: Path, state: str, deed: str) -> None:
    """After any operation on a message in any state, no row refers to a row that does not exist."""
    submit(timed, "a", delay=1_000 if state == "delayed" else 0)
    if state == "claimed":
        Player(timed).step()
    if deed == "remove":
        assert timed.messages.remove("q", "a")
    elif deed == "fail":
        assert timed.messages.fail("q", "a", b"{}", 1_000)
    elif deed == "reschedule":
        assert timed.messages.reschedule(Retried("a", "q", 0, 0, 1))
        assert timed.messages.remove("q", "a")
    else:
        assert timed.clear_namespace() == 1
    assert rows(path, *TABLES) == [0, 0, 0, 0]
    assert timed.messages.count("q") == 0


def test_an_unreadable_record_is_set_aside(timed: SQLiteBackend, path: Path) -> None:
    """Records of another version, or without a payload, go to the dead letters, and others are claimed instead."""
    submit(timed, "version", "bytes", "good")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE messages SET version = 99 WHERE uuid = 'version'")
    connection.execute("UPDATE messages SET payload = 'text' WHERE uuid = 'bytes'")
    connection.commit()
    connection.close()
    step = Player(timed).step(limit=1)
    assert [claimed.uuid for claimed in step.claimed] == ["good"]
    assert [(corrupt.uuid, corrupt.queue) for corrupt in step.corrupt] == [("version", "q"), ("bytes", "q")]
    assert all(corrupt.reason for corrupt in step.corrupt)
    letters = {letter.uuid: letter.payload for letter in timed.messages.dead_letters("q")}
    assert letters == {"version": b"version", "bytes": b"text"}


def test_what_has_expired_is_deleted_in_passing(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """Ordinary work deletes expired rows of all tables, and no others."""
    player = Player(timed)
    for n in range(50):
        submit(timed, f"m{n}", status_ttl=1_000)
        (claimed,) = player.step().claimed
        player.step(done(claimed)._replace(result_ttl=1_000))
        timed.set(f"v{n}", n, ttl=1_000)
        timed.locks.acquire(f"l{n}", "me", 1_000)
    submit(timed, "kept", status_ttl=-1, delay=10**9)
    timed.results.put("kept", b"")
    tables = ("finished", "results", "statuses", "vals", "locks")
    assert min(rows(path, *tables)) >= 50
    clock.now += 10 * DEDUP_WINDOW
    for n in range(2 * sweeping.ROUND):
        timed.set("tick", n)
    assert rows(path, *tables) == [0, 1, 1, 1, 0]


def test_a_status_rewritten_for_longer_is_not_swept_away(
    timed: SQLiteBackend, path: Path, clock: Clock
) -> None:
    """The last write of a status decides how long it is kept, though the sweep checks at the first one's expiry."""
    timed.statuses.put("a", 1, ttl=1_000)  # type: ignore[arg-type]
    timed.statuses.put("a", 2, ttl=1_000_000)  # type: ignore[arg-type]
    timed.statuses.put("b", 1)  # type: ignore[arg-type]
    timed.statuses.put("b", 2, ttl=1_000)  # type: ignore[arg-type]
    clock.now += 2_000
    assert [None if record is None else record.status for record in timed.statuses.get(["a", "b"])] == [
        2,
        None,
    ]
    for n in range(2 * sweeping.ROUND):
        timed.set("tick", n)
    assert timed.statuses.get(["a"])[0] is not None
    clock.now += sweeping.STATUS_CHECK_MS
    for n in range(2 * sweeping.ROUND):
        timed.set("tick", n)
    assert rows(path, "statuses") == [0]


def test_a_sweep_is_bounded(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """If very many rows have expired, one transaction deletes only some of them."""
    total = 3 * sweeping._PIECE
    for begin in range(0, total, 500):
        timed._database.write(
            lambda tx, begin=begin: tx.executemany(  # type: ignore[misc]
                "INSERT INTO vals (ns, name, expiry, value) VALUES (?, ?, ?, x'')",
                [
                    (
                        tx.ns,
                        f"v{n}",
                        tx.now,
                    )
                    for n in range(begin, min(begin + 500, total))
                ],
            )
        )
    seen = [rows(path, "vals")[0]]
    for _ in range(2 * sweeping.ROUND):
        timed.locks.acquire("l", "me", 1)
        clock.now += 1
        seen.append(rows(path, "vals")[0])
    assert seen[-1] == 0
    assert max(a - b for a, b in pairwise(seen)) <= sweeping._PIECE


def test_processes_that_do_little_sweep_too(
    timed: SQLiteBackend, open_backend: Callable[..., SQLiteBackend], path: Path, clock: Clock
) -> None:
    """If each process writes once and ends, expired rows are still deleted now and then."""
    timed.set("over", 1, ttl=1)
    clock.now += 1
    for _ in range(40 * sweeping._SWEEP_ONCE_IN):
        backend = open_backend(clock=clock)
        backend.set("tick", 1)
        backend.close()
        if rows(path, "vals") == [1]:
            return
    pytest.fail("never swept")


def test_what_another_namespace_has_finished_is_swept_too(
    timed: SQLiteBackend, open_backend: Callable[..., SQLiteBackend], path: Path, clock: Clock
) -> None:
    """The remembered uuids of a namespace are deleted once they are old, also if no process uses it any more."""
    for name in ("one", "two"):
        other = open_backend(clock=clock, namespace=name)
        submit(other, "a")
        other.messages.remove("q", "a")
    assert rows(path, "finished") == [2]
    clock.now += 10 * DEDUP_WINDOW
    for n in range(5 * sweeping._SWEEP_ONCE_IN):
        timed.set("tick", n)
    assert rows(path, "finished") == [0]


def test_large_notes_are_deleted_when_they_are_over(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """Expired published values are deleted from the file, the oldest first, and no others."""
    with timed.subscribe("c"):
        for _ in range(3):
            timed.pub("c", "x" * 100_000)
            clock.now += 40_000
        for n in range(2 * sweeping.ROUND):
            timed.set("tick", n)
        assert rows(path, "spool") == [1]


def test_tokens_and_fences_go_on_after_clearing(timed: SQLiteBackend, clock: Clock) -> None:
    """No token and no fence number is given out twice, also after everything else was deleted."""
    submit(timed, "a")
    (first,) = Player(timed, "one").step().claimed
    fence = timed.locks.acquire("l", "me", 1_000).fence
    timed.clear_namespace()
    submit(timed, "a")
    (second,) = Player(timed, "two").step().claimed
    assert second.token > first.token
    assert timed.locks.acquire("l", "me", 1_000).fence > fence


def test_workers_of_all_queues_find_thousands(timed: SQLiteBackend) -> None:
    """A worker that names no queue takes from all that hold something, and finds one among many empty ones."""
    for n in range(300):
        submit(timed, f"m{n}", queue=f"q{n:03}")
    player = Player(timed, queues=None)
    claimed = player.step(limit=1_000).claimed
    assert [one.queue for one in claimed] == [f"q{n:03}" for n in range(300)]
    player.step(*(done(one) for one in claimed))
    submit(timed, "last", queue="q150")
    assert [one.uuid for one in player.step().claimed] == ["last"]
