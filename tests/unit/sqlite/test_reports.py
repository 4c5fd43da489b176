"""Reports in SQLite: what they cost others, what is left of them, and what a killed process leaves."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.records import Claimed, Failed, Report, Retried
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.clock import Clock
from tests.statements import trace_statements
from tests.unit.sqlite.fakes import Player, Process, done, kill_after, says, submit
from tests.unit.sqlite.instructions import Instructions

TABLES = ("reports", "report_checkpoints", "report_lines")


def told(claim: Claimed, number: int = 1, **fields: Any) -> Report:
    """A report on a claim, of all kinds."""
    values: dict[str, Any] = {"progress": b"p", "checkpoint": b"c", "lines": (b"l1", b"l2"), "keep": 10}
    return Report(claim.uuid, claim.queue, claim.token, number, **{**values, **fields})


def rows(path: Path) -> tuple[int, ...]:
    """How many rows each of the tables has."""
    with sqlite3.connect(path) as looking:
        counts = [looking.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES]
    looking.close()
    return tuple(counts)


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction sweeps."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 1)
    monkeypatch.setattr(sweeping.Sweeper, "_turns", lambda sweeper: range(sweeping._TURNS))


def test_plain_messages_run_no_statement_of_reports(
    open_backend: Callable[..., SQLiteBackend], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the tables of reports as long as there are none, however messages end."""
    seen = trace_statements(monkeypatch)
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    backend = open_backend(clock=clock)
    messages, player = backend.messages, Player(backend)
    seen.clear()
    submit(backend, "a", "b", "c", "d", status_ttl=1_000)
    a, b, c, _ = player.claim(4)
    player.step(
        done(a), Retried("b", "q", b.token, 0, 1, last_error=b"e"), Failed("c", "q", c.token, b"{}", 5)
    )
    assert messages.remove("q", "b")
    assert messages.fail("q", "d", b"{}", 1_000)
    messages.retire(player.worker)
    names = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN) ({'|'.join(TABLES)})\b")
    assert len(seen) > 20
    assert [statement for statement in seen if names.search(statement)] == []


def test_reports_on_others_cost_a_step_nothing(
    instructions: Instructions, timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain message is submitted, run and finished in as many instructions beside 500 with reports as beside one."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player, other = Player(timed, "w", queues=("plain",)), Player(timed, "other")

    def work(uuid: str) -> None:
        submit(timed, uuid, queue="plain")
        player.step(*map(done, player.claim(1)), limit=0)

    def report(*uuids: str) -> None:
        submit(timed, *uuids)
        assert timed.messages.report(other.worker, list(map(told, other.claim(len(uuids))))) == []

    report("first")
    work("a")
    work("b")
    beside_one = instructions.of(lambda: work("c"))
    report(*(f"m{n}" for n in range(500)))
    assert instructions.of(lambda: work("d")) <= beside_one + 50


def test_nothing_is_left_of_reports_on_what_has_ended(timed: SQLiteBackend, path: Path) -> None:
    """Record, checkpoint and lines go in the step that finishes the message, even if they came in that step."""
    player = Player(timed)
    submit(timed, "a", "b", "c")
    a, b, c = player.claim(3)
    assert timed.messages.report(player.worker, [told(a), told(c)]) == []
    assert rows(path) == (2, 2, 4)
    assert player.step(told(b), done(b), done(a), limit=0).refused == []
    assert rows(path) == (1, 1, 2)
    player.step(Failed("c", "q", c.token, b"{}", 0), limit=0)
    assert rows(path) == (0, 0, 0)


def test_the_oldest_lines_go(timed: SQLiteBackend, path: Path) -> None:
    """No more lines are in the file than are kept, however many come in one report or one after the other."""
    player = Player(timed)
    submit(timed, "a")
    (claim,) = player.claim()
    for number in range(1, 5):
        lines = tuple(f"{number}.{n}".encode() for n in range(4))
        timed.messages.report(player.worker, [told(claim, number, lines=lines, keep=3)])
        assert rows(path) == (1, 1, 3)
    (record,) = timed.messages.reports(["a"], lines=True)
    assert record is not None
    assert record.lines == (b"4.1", b"4.2", b"4.3")


@pytest.mark.usefixtures("sweeps")
def test_what_is_kept_expires(timed: SQLiteBackend, clock: Clock, path: Path) -> None:
    """It goes, in passing, with the dead letter or status that it is kept with; not before."""
    player = Player(timed)
    submit(timed, "tracked", status_ttl=500)
    submit(timed, "failed")
    tracked, failed = player.claim(2)
    outcomes = [told(tracked), done(tracked), told(failed), Failed("failed", "q", failed.token, b"{}", 1_000)]
    assert player.step(*outcomes, limit=0).refused == []
    assert rows(path) == (2, 1, 4)
    clock.now += 499
    submit(timed, "a")
    assert rows(path) == (2, 1, 4)
    clock.now += 1
    assert timed.messages.reports(["tracked"]) == [None]
    submit(timed, "b")
    assert rows(path) == (1, 1, 2)
    clock.now += 500
    submit(timed, "c")
    assert rows(path) == (0, 0, 0)


@pytest.mark.usefixtures("sweeps")
def test_reports_on_what_0_1_0_has_ended_are_swept(timed: SQLiteBackend, path: Path) -> None:
    """Those on stored messages and dead letters stay."""
    player = Player(timed)
    submit(timed, "lost", "stored", "dead")
    claims = player.claim(3)
    timed.messages.report(player.worker, list(map(told, claims)))
    player.step(Failed("dead", "q", claims[2].token, b"{}", -1), limit=0)
    with sqlite3.connect(path) as looking:
        looking.execute("DELETE FROM claims WHERE uuid = 'lost'")
        looking.execute("DELETE FROM messages WHERE uuid = 'lost'")
    looking.close()
    submit(timed, "another")
    found = timed.messages.reports(["lost", "stored", "dead"])
    assert [record is not None for record in found] == [False, True, True]


def test_a_record_that_can_not_be_read_keeps_its_reports(timed: SQLiteBackend, path: Path) -> None:
    """They stay with its dead letter, whatever another program has left of the tail of its header."""
    player = Player(timed)
    submit(timed, "a")
    (claim,) = player.claim()
    player.step(told(claim), Retried("a", "q", claim.token, 0, 1), limit=0)
    with sqlite3.connect(path) as looking:
        looking.execute("UPDATE messages SET version = 99, tail = ''")
    looking.close()
    assert [corrupt.uuid for corrupt in player.step().corrupt] == ["a"]
    assert timed.messages.purge("q") == 1
    assert rows(path) == (0, 0, 0)


def test_a_cleared_namespace_has_no_reports(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """Nothing stays of them; those of another namespace do."""
    other = SQLiteBackend(path, namespace="other", clock=clock)
    for backend in (timed, other):
        player = Player(backend)
        submit(backend, "a")
        assert backend.messages.report(player.worker, [told(each) for each in player.claim()]) == []
    timed.clear_namespace()
    assert rows(path) == (1, 1, 2)
    other.close()


_REPORT_ON = """
worker = Worker("victim", "thread", ("q",), 60_000, 0)
messages.register(worker)
(claim,) = messages.step(worker, 1, [], {worker.kind: 1}).claimed
for n in range(1, 1_000_000):
    text = str(n).encode()
    assert messages.report(worker, [Report("a", "q", claim.token, n, text, text * 500, (text,), 3)]) == []
    if n == 5:
        say("reporting")
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.013])
def test_a_kill_while_reporting_leaves_whole_reports(
    python: Callable[..., Process], backend: SQLiteBackend, delay: float
) -> None:
    """A process killed while it reports leaves progress, checkpoint and lines of one report, for the next attempt."""
    submit(backend, "a")
    process = python(_REPORT_ON)
    assert says(process) == "reporting"
    kill_after(process, delay)
    backend.messages.retire(Player(backend, "victim").worker)
    (claim,) = Player(backend).claim()
    assert claim.reported
    (record,) = backend.messages.reports(["a"], lines=True)
    assert record is not None
    assert record.progress is not None
    last = int(record.progress)
    assert last >= 5
    assert record.checkpoint == record.progress * 500
    assert record.lines == tuple(str(n).encode() for n in range(last - 2, last + 1))
