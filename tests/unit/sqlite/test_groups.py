"""Groups in tables: what they cost, how deep they nest, and that nothing is left of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from alsek.storage.backends.records import (
    Failed,
    GroupPlace,
    GroupSubmission,
    Submission,
    Succeeded,
    UniqueKey,
)
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from alsek.storage.backends.sqlite.messages import groups
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, done, submit
from tests.unit.sqlite.instructions import Instructions

TABLES = ("message_groups", "group_callbacks", "group_members", "failed_parents")


@pytest.fixture
def rows(path: Path) -> Callable[[], dict[str, int]]:
    """How many rows there are of groups, by table; tables without any are left out."""

    def count() -> dict[str, int]:
        connection = sqlite3.connect(path)
        try:
            found = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES
            }
        finally:
            connection.close()
        return {table: number for table, number in found.items() if number}

    return count


def create(
    backend: SQLiteBackend, name: str, total: int, parent: tuple[str, int] | None = None, **fields: object
) -> None:
    place = None if parent is None else GroupPlace(*parent)
    group = GroupSubmission(name, total, parent=place)._replace(**fields)
    assert backend.groups.create(group, f"request of {name}")


def add(backend: SQLiteBackend, group: str, *numbers: int) -> None:
    batch = [Submission(f"{group}-{n}", "q", b"", group=GroupPlace(group, n)) for n in numbers]
    assert all(added.accepted for added in backend.messages.add(batch, f"members of {group}: {numbers}"))


def sweep(backend: SQLiteBackend, times: int = 2) -> None:
    """Let the sweeper come by."""
    for n in range(times * sweeping.ROUND):
        backend.set("tick", n)


def test_a_member_of_a_large_group_costs_as_much_as_one_of_a_small_one(
    instructions: Instructions, backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 members or of 10: submitting, claiming and ending one takes as many instructions of SQLite."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = Player(backend)
    for name, total in (("warm", 10), ("small", 10), ("large", 100_000)):
        create(backend, name, total, callback=Submission(f"callback of {name}", "q", b"x" * 100_000))
    with sqlite3.connect(path) as connection:
        for name, ended in (("small", 8), ("large", 99_998)):
            connection.execute(
                "UPDATE message_groups SET succeeded = ? WHERE name = ?",
                (ended, name),
            )
            (number,) = connection.execute("SELECT id FROM message_groups WHERE name = ?", (name,)).fetchone()
            connection.executemany(
                "INSERT INTO group_members (place, uuid, how, payload) VALUES (?, 'u', 'succeeded', x'00')",
                [(number * sweeping.PLACES + n,) for n in range(ended)],
            )
    connection.close()

    def live(name: str, number: int) -> None:
        add(backend, name, number)
        (claimed,) = player.step(limit=1).claimed
        player.step(done(claimed), limit=0)

    live("warm", 1)
    costs = [instructions.of(partial(live, "small", 8)), instructions.of(partial(live, "large", 99_998))]
    assert abs(costs[1] - costs[0]) < 0.02 * costs[0], costs
    found = backend.groups.get("large")
    assert found is not None
    assert found.succeeded == 99_999


def test_a_plain_message_meets_no_group(
    backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in no group can be submitted, claimed and ended without the tables of groups."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    backend.ping()
    connection = sqlite3.connect(path)
    for table in TABLES[:3]:
        connection.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
    connection.close()
    submit(backend, "a", "b", "c", "d")
    player = Player(backend)
    a, b, *_ = player.step().claimed
    player.step(done(a), Failed("b", "q", b.token, b"{}", 1_000), limit=0)
    backend.messages.remove("q", "c")
    backend.messages.fail("q", "d", b"{}", 1_000)
    assert backend.messages.count("q") == 0


def test_groups_nest_deeply(backend: SQLiteBackend) -> None:
    """The end of one member joins 1,200 groups, each within the next, in one step."""
    depth = 1_200
    for n in range(depth):
        create(backend, f"g{n}", 1, None if n == 0 else (f"g{n - 1}", 0))
    add(backend, f"g{depth - 1}", 0)
    player = Player(backend)
    (claimed,) = player.step().claimed
    assert not claimed.revoked
    player.step(done(claimed), limit=0)
    top = backend.groups.get("g0")
    assert top is not None
    assert (top.state, top.succeeded) == ("joined", 1)


def test_a_failure_rises_through_all_groups(backend: SQLiteBackend) -> None:
    """The failure of one member fails 1,200 groups, and each names it."""
    depth = 1_200
    for n in range(depth):
        create(backend, f"g{n}", 1, None if n == 0 else (f"g{n - 1}", 0))
    add(backend, f"g{depth - 1}", 0)
    player = Player(backend)
    (claimed,) = player.step().claimed
    player.step(Failed(claimed.uuid, "q", claimed.token, b"why", 0), limit=0)
    top = backend.groups.get("g0")
    assert top is not None
    assert top.failure is not None
    assert (top.state, top.failure.uuid, top.failure.payload) == ("failed", claimed.uuid, b"why")


@pytest.mark.parametrize("end", ["joined", "failed", "revoked"])
def test_nothing_is_left_of_a_group(
    timed: SQLiteBackend, clock: Clock, rows: Callable[[], dict[str, int]], end: str
) -> None:
    """When it has expired, a sweep deletes its rows, and those of the groups within it, in pieces."""
    total = 2 * sweeping._PIECE + 10
    create(timed, "g", 2, ttl=1_000)
    create(timed, "within", total, ("g", 0), ttl=1_000, unreachable=("x", "y"))
    add(timed, "g", 1)
    add(timed, "within", *range(total))
    player = Player(timed)
    while claims := player.step().claimed:
        outcomes = [done(claimed) for claimed in claims]
        if end == "failed":
            outcomes[0] = Failed(*claims[0][:2], claims[0].token, b"", 0)  # type: ignore[call-overload]
        if end == "revoked":
            assert timed.groups.revoke("g")
        player.step(*outcomes, limit=0)
    assert rows()["group_members"] == total + 2
    clock.now += 999
    sweep(timed)
    assert rows()["message_groups"] == 2
    clock.now += 1
    assert timed.groups.get("g") is timed.groups.get("within") is None
    clock.now += 100_000_000
    sweep(timed)
    assert rows() == {}


def test_clearing_a_namespace_deletes_its_groups(
    open_backend: Callable[..., SQLiteBackend], rows: Callable[[], dict[str, int]]
) -> None:
    """Groups, how members ended, and notes are deleted, those of others stay; groups and notes are counted."""
    total = 4_500
    one, two = open_backend(namespace="one"), open_backend(namespace="two")
    for backend in (one, two):
        for name in "gh":
            create(
                backend,
                name,
                total,
                stop=False,
                callback=Submission("callback", "q", b""),
                unreachable=("x",),
            )
    player = Player(one)
    for first in range(0, total, 500):
        add(one, "g", *range(first, first + 500))
    while claims := player.step(limit=500).claimed:
        player.step(*(done(claimed, None) for claimed in claims), limit=0)
    create(one, "f", 1, unreachable=("x", "y"))
    add(one, "f", 0)
    (claimed,) = player.step().claimed
    player.step(Failed(claimed.uuid, "q", claimed.token, b"", 0), limit=0)
    assert rows()["group_members"] == total + 1
    assert one.clear_namespace() == 3 + 2
    assert one.clear_namespace() == 0
    assert rows() == {"message_groups": 2, "group_callbacks": 2}
    assert two.groups.get("g") is not None


def test_an_expired_group_makes_room_before_it_is_swept(
    timed: SQLiteBackend, clock: Clock, rows: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that has expired is not stored: another may have its id, and has nothing of it."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = Player(timed)
    create(timed, "g", 1, ttl=1_000)
    add(timed, "g", 0)
    (claimed,) = player.step().claimed
    player.step(done(claimed), limit=0)
    clock.now += 1_000
    create(timed, "g", 1)
    assert timed.groups.members("g", 0, 1) == []
    monkeypatch.undo()
    sweep(timed)
    assert rows() == {"message_groups": 1}


def test_a_callback_is_submitted_as_it_was_given(backend: SQLiteBackend) -> None:
    """All fields of a callback are kept until its group joins."""
    callback = Submission(
        "callback",
        "other",
        bytes(range(256)),
        7,
        "thread-async",
        0,
        5_000,
        9_000,
        True,
        UniqueKey("key"),
        joins="g",
    )
    create(backend, "g", 1, callback=callback)
    row = backend._database.read(lambda tx: groups.find(tx, "g"))
    assert row is not None
    assert backend._database.write(lambda tx: groups.take_sequel(tx, row)) == (callback, ())


def test_what_is_unreachable_is_json(backend: SQLiteBackend, path: Path) -> None:
    """Any text may be a uuid."""
    uuids = ('a"b', "c,d", "é\n")
    create(backend, "g", 1, unreachable=uuids)
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("SELECT unreachable FROM group_callbacks").fetchone()
    connection.close()
    assert tuple(json.loads(text)) == uuids
    backend.groups.revoke("g")
    assert backend.results.failed_parents(uuids) == ["g"] * 3


def test_a_named_message_is_rid_of_the_note_of_an_earlier_one(backend: SQLiteBackend) -> None:
    """When a message replaces the last one of its uuid, a note of that one's parent is deleted."""
    submit(backend, "parent")
    player = Player(backend)
    (claimed,) = player.step().claimed
    player.step(Failed("parent", "q", claimed.token, b"", 0, unreachable=("a", "b")), limit=0)
    assert backend.results.failed_parents(["a", "b"]) == ["parent", "parent"]
    submit(backend, "a", named=True)
    assert backend.results.failed_parents(["a", "b"]) == [None, "parent"]


def test_a_step_with_many_outcomes_counts_each(backend: SQLiteBackend) -> None:
    """More outcomes than one statement takes are counted in one step, and join once."""
    total = 1_300
    create(backend, "g", total, callback=Submission("callback", "q", b""))
    for first in range(0, total, 100):
        add(backend, "g", *range(first, first + 100))
    player = Player(backend)
    claims = player.step(limit=total).claimed
    step = player.step(*(Succeeded(c.uuid, "q", c.token, group_result=c.uuid.encode()) for c in claims))
    assert [claim.uuid for claim in step.claimed] == ["callback"]
    members = backend.groups.members("g", 0, total)
    assert [member.payload for member in members] == [f"g-{n}".encode() for n in range(total)]
