"""Messages change their state in one module, and end in one function: a rule about ends has one place to be."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.records import (
    Failed,
    Limit,
    Lost,
    Released,
    Report,
    Retried,
    SetAside,
    Submission,
    Succeeded,
    UniqueKey,
    WorkerFacts,
)
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import connection as sqlite_connection
from alsek.storage.backends.sqlite.messages import transitions
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, done, submit

STATES = {"ready", "delayed", "claims", "aside", "waiting"}

#: The columns of `messages` that say where it stands and what has happened to it.
COLUMNS = {
    "queue",
    "priority",
    "wish",
    "arrival",
    "due",
    "ttl",
    "expiry",
    "losses",
    "suspect",
    "payload",
    "tail",
}

PACKAGE = Path(transitions.__file__).parents[1]


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str, str]]:
    """What changes the state of messages from now on, as (file and function, verb, table), as SQLite reports it.

    Writes of triggers are left out: they follow from the statement that fired them.
    """
    seen: set[tuple[str, str, str]] = set()
    verbs = {
        sqlite3.SQLITE_INSERT: "insert",
        sqlite3.SQLITE_UPDATE: "update",
        sqlite3.SQLITE_DELETE: "delete",
    }

    def authorize(action: int, table: str | None, column: str | None, _: Any, trigger: str | None) -> int:
        verb = verbs.get(action)
        moves = table in STATES or (
            table == "messages" and (verb == "delete" or (verb == "update" and column in COLUMNS))
        )
        if verb and moves and trigger is None:
            code = sys._getframe(1).f_code
            seen.add((f"{Path(code.co_filename).name}:{code.co_name}", verb, str(table)))
        return sqlite3.SQLITE_OK

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made = sqlite3.connect(*arguments, **options)
        made.set_authorizer(authorize)
        return made

    stand_in = type("sqlite3", (), {**vars(sqlite3), "connect": staticmethod(connect)})
    monkeypatch.setattr(sqlite_connection, "sqlite3", stand_in)
    return seen


def _live_through_everything(backend: SQLiteBackend, clock: Clock) -> None:
    """Everything that can happen to a message."""
    messages, player = backend.messages, Player(backend)
    submit(backend, *"abcdefghij")
    submit(backend, "late", delay=10)
    a, b, c, d, e, f = player.step(limit=6).claimed
    assert messages.report(player.worker, [Report(j.uuid, "q", j.token, 1, b"p") for j in (a, b, c)]) == []
    outcomes = [
        Succeeded(a.uuid, "q", a.token, b"", callback=Submission("callback", "q", b"")),
        Failed(b.uuid, "q", b.token, b"{}", 1_000),
        Retried(c.uuid, "q", c.token, delay=0, retries=1),
        Retried(d.uuid, "q", d.token, delay=100, retries=1),
        Released(e.uuid, "q", e.token),
        Lost(f.uuid, "q", f.token, suspect=True),
    ]
    player.step(*outcomes, limit=1)
    messages.renew(player.worker, player.seq, [])
    backend._database.write(
        lambda tx: tx.execute("UPDATE messages SET version = 99 WHERE uuid = 'g'")  # a corrupt record
    )
    clock.now += 1_000
    assert player.step(limit=2).corrupt
    clock.now += player.worker.lease // 2
    other = Player(backend, "other")
    clock.now += player.worker.lease // 2
    assert other.step(limit=2).taken_over
    messages.retire(other.worker)
    suspect = Player(backend, "suspect", suspects="only")
    assert [claim.suspect for claim in suspect.step(limit=1).claimed] == [True]
    messages.remove("q", "h")
    messages.reschedule(Retried("i", "q", 0, delay=100, retries=1))
    messages.fail("q", "j", b"{}", 1_000)
    letter = messages.dead_letter("q", "j")
    assert letter is not None
    messages.replay(Submission("j", "q", b""), letter.died_at)
    messages.revoke("q", "j")
    _set_aside(backend)
    _wait(backend)
    backend.clear_namespace()


def _set_aside(backend: SQLiteBackend) -> None:
    messages = backend.messages
    lacks, has = (Player(backend, name, queues=("aside",)) for name in ("lacks it", "has it"))
    messages.register(has.worker, WorkerFacts("host", 1, "1", ("t",)))
    submit(backend, "claimed", "removed", "cleared", queue="aside")
    lacks.step(*(SetAside(each.uuid, "aside", each.token, "t", b"{}", 1_000) for each in lacks.claim()))
    assert [claim.uuid for claim in has.claim(limit=1)] == ["claimed"]
    assert messages.remove("aside", "removed")


def _wait(backend: SQLiteBackend) -> None:
    """For a limit, and behind the holder of a unique key."""
    one = {"limits": (Limit("l", 1),), "queue": "limited"}
    unique = {"unique": UniqueKey("k", conflict="replace"), "queue": "limited"}
    player = Player(backend, "limited", queues=("limited",))
    submit(backend, "l1", "l2", "l3", **one)
    submit(backend, "u1", **unique)
    held = player.claim()
    assert [each.uuid for each in held] == ["l1", "u1"]
    submit(backend, "u2", "u3", **unique)
    assert backend.messages.remove("limited", "l3")
    assert [each.uuid for each in player.step(*map(done, held)).claimed] == ["l2", "u2"]


def test_only_transitions_changes_states(
    writes: set[tuple[str, str, str]], open_backend: Callable[..., SQLiteBackend], clock: Clock
) -> None:
    """SQLite is asked to write to the tables of states, or to end a message, by transitions.py alone.

    What a message that becomes ready again changes of itself is in the module beside it.
    """
    _live_through_everything(open_backend(clock=clock), clock)
    files = {where.split(":")[0] for where, _, table in writes if table in STATES}
    assert files == {"transitions.py"}, writes
    assert {where.split(":")[0] for where, *_ in writes} == files | {"becoming_ready.py"}, writes
    by_table = {(verb, table) for _, verb, table in writes}
    assert ("update", "claims") in by_table
    assert by_table >= {(verb, state) for verb in ("insert", "delete") for state in STATES}, by_table
    inserts = {where for where, verb, table in writes if verb == "insert" and table in STATES}
    assert inserts == {"transitions.py:enter"}
    deletes = {where for where, verb, table in writes if verb == "delete" and table == "messages"}
    assert deletes == {"transitions.py:end", "transitions.py:erase"}


def test_no_other_file_has_such_a_statement() -> None:
    """Nor does a file have one that no test ran."""
    pattern = re.compile(
        r"(INSERT\s+(OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE(\s+OR\s+\w+)?|DELETE\s+FROM)[\s\"'(]+"
        r"(ready|delayed|claims|aside|waiting)\b|DELETE\s+FROM\s+messages\b",
        re.IGNORECASE,
    )
    found = {module.name for module in PACKAGE.rglob("*.py") if pattern.search(module.read_text())}
    assert found == {"transitions.py"}


def test_lanes_are_woken_by_wake_alone() -> None:
    """What is to be woken after a commit is noted by ``tx.wake``, and read by the database."""
    found = {module.name for module in PACKAGE.rglob("*.py") if "woken_lanes" in module.read_text()}
    assert found == {"transaction.py", "database.py"}
