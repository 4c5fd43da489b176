"""Lanes of messages of ``async def`` tasks in SQLite: old files, many queues, and who is woken beside 0.1.0."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from alsek.storage.backends.kinds import SleeperKind, WorkerKind, sleeps_as
from alsek.storage.backends.records import Submission
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.types import Wish
from tests.contract.workers import Actor, an_actor, uuids
from tests.unit.sqlite.test_upgrading import OLD_SCHEMA, Old

_ASYNC: tuple[Wish, ...] = ("any-async", "thread-async")


def _add(backend: SQLiteBackend, uuid: str, wish: Wish, queue: str = "q") -> None:
    backend.messages.add([Submission(uuid, queue, b"p", wish=wish)], f"request {uuid}")


@pytest.mark.parametrize("wish", _ASYNC)
def test_a_file_of_0_1_0_takes_them(path: Path, wish: Wish) -> None:
    """Those of neighbouring queues don't mix, and what 0.1.0 adds meanwhile keeps its place."""
    old = Old(path)
    old.create()
    old.add("before", "a")
    backend = SQLiteBackend(path)
    worker = an_actor(backend, "b", kind="thread-async")
    for queue in ("a", "b", "c"):
        _add(backend, f"{queue}-async", wish, queue)
        old.add(f"{queue}-plain", queue)
    step = worker.step(limit={"coroutine": 9})
    assert (uuids(step.claimed), step.waiting) == (["b-async"], ("thread",))
    rest = an_actor(backend, "a", "c", kind="thread-async")
    assert uuids(rest.claim()) == ["before", "a-async", "a-plain", "c-async", "c-plain"]
    assert uuids(worker.claim()) == ["b-plain"]
    for (left,) in old.connection.execute("SELECT count(*) FROM lanes UNION ALL SELECT count(*) FROM ready"):
        assert left == 0
    backend.close()
    old.connection.close()


def test_what_lay_in_the_file_stays_where_it_was(path: Path) -> None:
    """Completing an old file rewrites no row of what is ready."""
    assert OLD_SCHEMA.exists()
    old = Old(path)
    old.create()
    for n in range(20):
        old.add(f"m{n}", f"q{n % 3}")
    before = old.connection.execute("SELECT * FROM ready").fetchall()
    backend = SQLiteBackend(path)
    backend.ping()
    assert old.connection.execute("SELECT * FROM ready").fetchall() == before
    backend.close()
    old.connection.close()


@pytest.mark.parametrize("full", ["thread", "coroutine"])
def test_a_full_kind_costs_no_look_at_its_queues(
    backend: SQLiteBackend, path: Path, statements: Callable[[], list[str]], full: str
) -> None:
    """However many queues hold only messages for which no slot is left, a step asks for the next ones a few times."""
    plain: Wish = "any" if full == "thread" else "any-async"
    wanted: Wish = "any-async" if full == "thread" else "any"
    for start in range(0, 3_000, 500):
        batch = [Submission(f"m{n}", f"q{n:04}", b"p", wish=plain) for n in range(start, start + 500)]
        backend.messages.add(batch, f"request {start}")
    _add(backend, "last", wanted, "z")
    worker = an_actor(backend, kind="thread-async")
    statements()
    free = "coroutine" if full == "thread" else "thread"
    step = worker.step(limit={full: 2, free: 1})
    assert uuids(step.claimed) == ["m0", "m1", "last"]
    assert len(statements()) < 60


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Returns the statements that were run since the last call."""
    from alsek.storage.backends.sqlite.database import transaction

    run: list[str] = []
    execute = transaction.Transaction.__init__

    def noting(self: transaction.Transaction, connection: sqlite3.Connection, *rest: object) -> None:
        connection.set_trace_callback(run.append)
        execute(self, connection, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(transaction.Transaction, "__init__", noting)

    def taken() -> list[str]:
        found = list(run)
        run.clear()
        return found

    return taken


@pytest.mark.parametrize(
    ("kind", "slot", "number", "coroutines"),
    [
        ("any", None, 0, 0),
        ("thread", None, 1, 0),
        ("process", None, 2, 0),
        ("thread-async", "thread", 1, 0),
        ("thread-async", "coroutine", 3, 0),
        ("thread-async", None, 1, 1),
        ("process-async", "process", 2, 1),
    ],
)
def test_0_1_0_knows_whom_to_wake(
    backend: SQLiteBackend, kind: WorkerKind, slot: SleeperKind | None, number: int, coroutines: int
) -> None:
    """Its producers wake whoever has the kind of a plain message, and never who waits for coroutines alone."""
    backend.ping()
    worker: Actor = an_actor(backend, kind=kind)
    with closing(backend.messages.waiter(worker.worker, slot)) as waiter:  # type: ignore[arg-type]
        waiter.arm()
        records = waiter._registry.records  # type: ignore[attr-defined]
        start = records._start + waiter._slot * 1024  # type: ignore[attr-defined]
        assert (records._memory[start], records._memory[start + 4]) == (number, coroutines)
        kinds = records.kinds(waiter._slot)  # type: ignore[attr-defined]
        assert kinds == (None if kind == "any" else sleeps_as(kind, slot))  # type: ignore[arg-type]
