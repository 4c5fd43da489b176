"""Very many queues: what a step costs depends on the queues that it takes from, and not on how many there are."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Lost, Outcome, Released, Retried, Submission
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from alsek.storage.backends.sqlite.messages.submissions import add
from tests.clock import Clock
from tests.contract.workers import not_mine, the_facts
from tests.unit.sqlite.fakes import Player, done, is_quiet, put_to_sleep, submit
from tests.unit.sqlite.instructions import Instructions

FEW, MANY = 20, 2_000


def fill(backend: SQLiteBackend, first: int, last: int, **fields: Any) -> None:
    """One message in each of many queues."""
    batch = [Submission(f"m{n}", f"user-{n:06}", b"", **fields) for n in range(first, last)]
    backend.messages.add(batch, f"{first}-{last}")


@pytest.mark.parametrize("fields", [{}, {"wish": "process"}, {"delay": 10_000}])
@pytest.mark.parametrize("names", [None, ("user-000003", "user-000001")])
def test_a_step_costs_what_it_takes(
    instructions: Instructions,
    timed: SQLiteBackend,
    names: tuple[str, ...] | None,
    fields: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Claim, finish, look and fall asleep: as cheap beside 2,000 queues, ready or not, as beside 20."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = Player(timed, queues=names)
    waiter = player.messages.waiter(player.worker)
    submit(timed, "mine", queue="user-000001")
    player.step()

    def work(uuid: str) -> None:
        submit(timed, uuid, queue="user-000003")
        waiter.arm()
        claimed = player.step(limit=2).claimed
        assert len(claimed) == (2 if names is None and not fields else 1)
        player.step(*(Released(one.uuid, one.queue, one.token) for one in claimed), limit=0)
        player.step(limit=0)
        waiter.pass_on()
        assert timed.messages.remove("user-000003", uuid)

    try:
        fill(timed, 10, FEW, **fields)
        few = instructions.of(lambda: work("few"))
        fill(timed, FEW, MANY, **fields)
        assert instructions.of(lambda: work("many")) < 1.5 * few
    finally:
        waiter.close()


def test_queues_are_taken_from_in_alphabetical_order_and_no_further(
    instructions: Instructions, timed: SQLiteBackend
) -> None:
    """Without names: by queue in alphabetical order, then by priority and arrival, until there are enough."""
    player = Player(timed, queues=None)
    submit(timed, "late", queue="b", priority=5)
    submit(timed, "early", "next", queue="b")
    submit(timed, "first", queue="a", wish="thread")
    submit(timed, "other", queue="a", wish="process")
    fill(timed, 0, 10)
    assert [one.uuid for one in player.step(limit=3).claimed] == ["first", "early", "next"]
    step = player.step(limit=3)
    assert [one.uuid for one in step.claimed] == ["late", "m0", "m1"]
    assert step.waiting
    step = player.step(limit=8)
    assert len(step.claimed) == 8
    assert not step.waiting


def test_named_queues_are_drained_strictly_in_their_order(timed: SQLiteBackend) -> None:
    """With names, however many: in their order, not in that of the alphabet."""
    names = tuple(f"user-{n:06}" for n in reversed(range(450)))
    player = Player(timed, queues=names)
    fill(timed, 0, 500)
    claimed = [one.queue for _ in range(9) for one in player.step(limit=60).claimed]
    assert claimed == list(names)
    assert timed.messages.queues() == sorted({*names, *(f"user-{n:06}" for n in range(450, 500))})


@pytest.mark.parametrize("seed", range(4))
def test_the_lanes_are_those_with_something_ready(
    timed: SQLiteBackend, path: Path, clock: Clock, seed: int
) -> None:
    """Whatever is done to messages and queues, the table of lanes tells which have something ready and are not paused.

    The counts of delayed and ready messages are those of a look at each message.
    """
    chance = random.Random(seed)
    messages = timed.messages
    players = [Player(timed, kind, kind=kind, queues=None) for kind in ("thread", "process", "any")]
    messages.register(players[0].worker, the_facts("t"))
    with sqlite3.connect(path) as looking:
        for n in range(150):
            queue = chance.choice("abc")
            uuid = f"u{chance.randrange(40)}"
            deed = chance.randrange(9)
            if deed < 3:
                wish = chance.choice(("any", "thread", "process"))
                submit(timed, f"u{n}", queue=queue, wish=wish, delay=chance.choice((0, 0, 50)))
            elif deed == 3:
                chance.choice((messages.remove, messages.revoke))(queue, uuid)
            elif deed == 4:
                messages.reschedule(Retried(uuid, queue, 0, chance.choice((0, 50)), 1))
            elif deed == 5:
                _ = messages.resume(queue) or messages.pause(queue, "ada")
            else:
                clock.now += 40
                player = chance.choice(players)
                outcomes: list[Outcome] = []
                for one in messages.held(player.worker):
                    place = (one.uuid, one.queue, one.token)
                    kept = (Lost(*place, suspect=True), Released(*place), Retried(*place, 0, 1))
                    outcomes.append(chance.choice((done(one), not_mine(one), *kept)))
                player.step(*outcomes, limit=chance.randrange(4))
            told = looking.execute("SELECT queue * 8 + code FROM lanes").fetchall()
            expected = looking.execute(
                "SELECT DISTINCT lane FROM ready WHERE lane / 8 NOT IN (SELECT queue FROM pauses) ORDER BY lane"
            )
            assert sorted(told) == expected.fetchall()
            for tally in messages.tallies():
                states = Counter(stored.state for stored in messages.browse(tally.queue))
                assert tally[1:4] == (states["ready"], states["delayed"], states["claimed"])
            aside = looking.execute("SELECT lane, count(*) FROM aside GROUP BY lane").fetchall()
            assert looking.execute("SELECT id, messages FROM aside_lanes ORDER BY id").fetchall() == aside
    looking.close()


@pytest.fixture
def asleep(timed: SQLiteBackend, request: pytest.FixtureRequest) -> Callable[..., Waiter]:
    """Makes a worker that has found nothing and sleeps; its waiter."""

    def make(name: str, **fields: object) -> Waiter:
        waiter = put_to_sleep(timed, name, **fields)
        request.addfinalizer(waiter.close)
        return waiter

    return make


def test_who_names_a_queue_is_woken_for_it_beside_very_many(
    asleep: Callable[..., Waiter], timed: SQLiteBackend
) -> None:
    """A message wakes a sleeper that names its queue rather than one that takes from all."""
    general, named = asleep("general", queues=None), asleep("named", queues=("zoo", "vip"))
    submit(timed, "a", queue="vip")
    assert is_quiet(general)
    assert not is_quiet(named)


def test_what_is_left_in_named_queues_wakes_the_next_beside_very_many(
    asleep: Callable[..., Waiter], timed: SQLiteBackend
) -> None:
    """A claim that leaves something in a queue that it names wakes another that names it."""
    fill(timed, 0, 200)
    busy = Player(timed, "busy", queues=("vip",))
    sleeper = asleep("sleeper", queues=("vip",))
    timed._database.write(  # a message that wakes nobody, as if the one woken had died
        lambda tx: (submit_within(tx, "a", "b"), tx.woken_lanes.clear())
    )
    assert is_quiet(sleeper)
    assert len(busy.step(limit=1).claimed) == 1
    assert not is_quiet(sleeper)


def submit_within(tx: Any, *uuids: str) -> None:
    """Add messages in a transaction that is under way."""
    add(tx, [Submission(uuid, "vip", b"") for uuid in uuids], "")
