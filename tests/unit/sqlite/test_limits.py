"""Limits and unique keys in tables: what they cost, what is left of them, and what 0.1.0 does beside them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.storage.backends.records import Added, Limit, Retried, Submission, UniqueKey, UniqueRecord
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from alsek.storage.backends.sqlite.messages import settling
from tests.clock import Clock
from tests.statements import trace_statements
from tests.unit.sqlite.fakes import Player, done, submit
from tests.unit.sqlite.instructions import Instructions

ONE = (Limit("l", 1),)
RATE = (Limit("l", 1, 1_000),)
TABLES = ("limits", "admitted", "starts", "waiting", "lines", "unique_keys")


def rows(path: Path) -> dict[str, int]:
    """How many rows the tables of limits and unique keys have; those that have none are left out."""
    with sqlite3.connect(path) as looking:
        counts = {table: looking.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
    looking.close()
    return {table: count for table, count in counts.items() if count}


def damage(path: Path, statement: str) -> None:
    """What 0.1.0 does to the file."""
    with sqlite3.connect(path) as looking:
        looking.execute(statement)
    looking.close()


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction sweeps."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 1)
    monkeypatch.setattr(sweeping.Sweeper, "_turns", lambda sweeper: range(sweeping._TURNS))


@pytest.mark.parametrize("limits", [ONE, RATE])
def test_many_that_wait_cost_others_nothing(
    instructions: Instructions,
    timed: SQLiteBackend,
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[Limit, ...],
) -> None:
    """Steps take as many instructions beside 1,000 messages that wait for a limit as beside a few.

    This holds for messages of other limits, for plain ones, and for those that wait themselves.
    """
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = Player(timed, "player", queues=None)

    def work(uuid: str) -> None:
        submit(timed, f"{uuid} of another limit", limits=(Limit("other", 1),))
        submit(timed, f"{uuid} plain")
        submit(timed, f"{uuid} behind all", limits=limits, priority=1)
        claims = [claim for claim in player.claim(8) if claim.uuid.startswith(uuid)]
        assert len(claims) == 2
        player.step(*map(done, claims))
        assert timed.messages.remove("q", f"{uuid} behind all")
        player.step()

    submit(timed, "holder", "a", "b", limits=limits)
    player.claim(1)
    work("first")
    beside_a_few = instructions.of(lambda: work("second"))
    submit(timed, *(f"m{n}" for n in range(998)), limits=limits)
    assert timed.messages.limits()[0].waiting == 1_000
    assert instructions.of(lambda: work("third")) <= beside_a_few + 50


def test_a_limit_with_room_costs_little(
    instructions: Instructions, timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that is not full takes less than half as many instructions again: to submit messages, and to run them."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player, wide = Player(timed), (Limit("wide", 10_000),)

    def costs(name: str, limits: tuple[Limit, ...]) -> tuple[int, int]:
        def drain() -> None:
            held = player.claim(8)
            while held:
                held = player.step(*(done(claim, None) for claim in held), limit=8).claimed

        names = [f"{name}{n}" for n in range(200)]
        return instructions.of(lambda: submit(timed, *names, limits=limits)), instructions.of(drain)

    submit(timed, "keeps it known", queue="other", limits=wide)
    plain, limited = costs("plain", ()), costs("limited", wide)
    assert [mine <= 1.5 * other for mine, other in zip(limited, plain, strict=True)] == [True, True], (
        plain,
        limited,
    )


def test_a_free_place_costs_the_same_however_many_wait(
    instructions: Instructions, timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free place of a shared limit takes as many instructions if 1,000 of a full tenant are in front."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    spent = []
    for many in (2, 2, 1_000):
        name = f"{len(spent)} {many}"
        player = Player(timed, name, queues=(name,))
        shared, acme, initech = (
            Limit(f"{name} {each}", amount) for each, amount in (("0", 2), ("a", 1), ("i", 1))
        )
        submit(timed, f"{name} a", queue=name, limits=(shared, acme))
        submit(timed, f"{name} b", queue=name, limits=(shared, initech))
        held = player.claim()
        submit(timed, *(f"{name} {n}" for n in range(many)), queue=name, limits=(shared, acme))
        submit(timed, f"{name} behind", queue=name, limits=(shared, initech))
        assert timed.messages.limits([f"c:{name} 0"])[0].waiting == many + 1
        spent.append(instructions.of(lambda: player.step(done(held[1])).claimed))  # noqa: B023 - runs at once
        found = timed.messages.find(f"{name} behind")
        assert found is not None
        assert found.worker == name
        assert timed.messages.limits([f"c:{name} a"])[0].waiting == many
    assert spent[2] <= spent[1] + 50, spent


def test_plain_messages_run_no_statement_of_limits(
    open_backend: Callable[..., SQLiteBackend], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the tables of limits and keys when plain messages are submitted, run, retried or fail."""
    seen = trace_statements(monkeypatch)
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    backend = open_backend(clock=clock)
    player = Player(backend)
    seen.clear()
    submit(backend, "a", "b")
    submit(backend, "c", delay=10)
    player.step(*map(done, player.claim(1)))
    (claim,) = backend.messages.held(player.worker)
    player.step(Retried(claim.uuid, "q", claim.token, 0, 1, last_error=b"e"), limit=0)
    clock.now += 10
    player.step(limit=8)
    backend.messages.renew(player.worker, player.seq, [])
    backend.messages.retire(player.worker)
    names = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN) ({'|'.join(TABLES)})\b")
    assert len(seen) > 20
    assert [statement for statement in seen if names.search(statement)] == []


def test_nothing_is_left_of_a_concurrency(timed: SQLiteBackend, path: Path) -> None:
    """Once the last message has ended, in the same step."""
    player = Player(timed)
    submit(timed, "a", "b", "c", limits=ONE)
    assert rows(path) == {"limits": 1, "admitted": 1, "waiting": 2, "lines": 1}
    while claims := player.claim(8):
        player.step(*map(done, claims), limit=0)
    assert rows(path) == {}


@pytest.mark.usefixtures("sweeps")
def test_windows_are_swept(timed: SQLiteBackend, clock: Clock, path: Path) -> None:
    """What is left of a rate and of a unique key goes, in passing, when their windows are over; not before."""
    player = Player(timed)
    submit(timed, "a", limits=RATE, unique=UniqueKey("k", window=1_000))
    player.step(*map(done, player.claim()), limit=0)
    clock.now += 999
    submit(timed, "b")
    assert rows(path) == {"limits": 1, "starts": 1, "unique_keys": 1}
    clock.now += 1
    submit(timed, "c")
    assert rows(path) == {}


def test_many_old_starts_are_forgotten_in_pieces(timed: SQLiteBackend, clock: Clock, path: Path) -> None:
    """A limit admits at once, however many starts have left its window."""
    player = Player(timed)
    submit(timed, "a", limits=(Limit("l", 3_000, 10_000),))
    player.claim()
    with sqlite3.connect(path) as looking:
        rows_of = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2999)"
        looking.execute(
            f"{rows_of} INSERT INTO starts SELECT (SELECT id FROM limits), {clock.now} + n, 1 FROM n"
        )
    looking.close()
    assert timed.messages.limits()[0].used == 3_000
    submit(timed, "b", limits=(Limit("l", 3_000, 10_000),))
    assert player.claim() == []
    clock.now += 20_000
    assert [claim.uuid for claim in player.claim()] == ["b"]
    assert timed.messages.limits()[0].used == 1


def test_more_than_a_batch_is_let_in_by_the_next_steps(
    timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submission that makes room for many lets in a batch; what is left is due at once, for the next step."""
    monkeypatch.setattr(settling, "PROMOTION_BATCH", 3)
    player = Player(timed)
    submit(timed, *(f"m{n}" for n in range(9)), limits=ONE)
    submit(timed, "last", limits=(Limit("l", 8),))
    assert timed.messages.tallies()[0].ready == 4
    step = player.step(limit=0)
    assert timed.messages.tallies()[0].ready == 7
    assert step.next_due == 0
    step = player.step(limit=0)
    assert (timed.messages.tallies()[0].ready, step.next_due) == (8, None)


def test_a_long_line_at_one_limit_does_not_hold_up_another(
    timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a limit that has got room lets in very many, the steps let in those of other limits as well."""
    monkeypatch.setattr(settling, "PROMOTION_BATCH", 8)
    player = Player(timed, queues=None)
    submit(timed, *(f"m{n}" for n in range(100)), limits=ONE)
    submit(timed, "a", "b", queue="other", limits=(Limit("other", 1),))
    submit(timed, "last", limits=(Limit("l", 200),))
    (claim,) = [claim for claim in player.claim(50) if claim.queue == "other"]
    assert timed.messages.limits(["c:l"])[0].waiting > 50
    assert [each.uuid for each in player.step(done(claim), limit=50).claimed if each.queue == "other"] == [
        "b"
    ]
    assert timed.messages.limits(["c:l"])[0].waiting > 50


def test_a_cleared_namespace_has_no_limits(timed: SQLiteBackend, path: Path, clock: Clock) -> None:
    """Nothing stays of it, whatever waited; limits of another namespace do."""
    other = SQLiteBackend(path, namespace="other", clock=clock)
    submit(other, "a", limits=ONE)
    submit(timed, "a", "b", limits=(*ONE, *RATE))
    submit(timed, "c", "d", unique=UniqueKey("k", conflict="replace", window=1_000))
    Player(timed).claim(8)
    submit(timed, "e", unique=UniqueKey("k", conflict="replace"))
    timed.clear_namespace()
    assert rows(path) == {"limits": 1, "admitted": 1}
    assert [limit.used for limit in other.messages.limits()] == [1]
    other.close()


@pytest.mark.usefixtures("sweeps")
def test_a_place_of_what_0_1_0_has_ended_is_found(timed: SQLiteBackend, path: Path) -> None:
    """It is given back in passing, and whoever waits for it is let in by the next step."""
    player = Player(timed)
    submit(timed, "a", "b", limits=ONE)
    damage(path, "DELETE FROM ready")
    damage(path, "DELETE FROM messages WHERE uuid = 'a'")
    submit(timed, "plain")
    assert [claim.uuid for claim in player.claim(8)] == ["b", "plain"]


def test_what_0_1_0_has_removed_does_not_wait(timed: SQLiteBackend, path: Path) -> None:
    """Its entry is dropped when its turn comes."""
    player = Player(timed)
    submit(timed, "a", "b", "c", limits=ONE)
    damage(path, "DELETE FROM messages WHERE uuid = 'b'")
    (claim,) = player.claim(8)
    assert [each.uuid for each in player.step(done(claim), limit=8).claimed] == ["c"]
    assert rows(path) == {"limits": 1, "admitted": 1}


def test_a_key_of_what_0_1_0_has_ended_is_free(timed: SQLiteBackend, path: Path) -> None:
    """And whoever waits behind it holds it as soon as anyone asks for the key."""
    player = Player(timed)
    unique = UniqueKey("k", conflict="replace")
    submit(timed, "a", unique=unique)
    player.claim()
    submit(timed, "b", unique=unique)
    damage(path, "DELETE FROM claims")
    damage(path, "DELETE FROM messages WHERE uuid = 'a'")
    again = Submission("c", "q", b"", unique=UniqueKey("k"))
    assert timed.messages.add([again], "request") == [Added(False, "b", "ready")]
    assert timed.messages.unique_key("k") == UniqueRecord("k", "b")
    assert [claim.uuid for claim in player.claim(8)] == ["b"]
    damage(path, "DELETE FROM claims")
    damage(path, "DELETE FROM messages")
    assert timed.messages.unique_key("k") is None
    assert timed.messages.add([again], "another") == [Added(True)]
