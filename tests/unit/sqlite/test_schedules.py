"""Schedules in SQLite: what they cost others, whom a change wakes, and what a killed process leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.defaults import PROMOTION_BATCH, SCHEDULE_OFFER
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Submission, WorkerFacts
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.clock import Clock
from tests.statements import trace_statements
from tests.unit.sqlite.fakes import Player, Process, is_quiet, kill_after, says, submit, tell
from tests.unit.sqlite.instructions import Instructions

FIRES = WorkerFacts("host", 1, "1", ("t",), fires=True)
FIRES_NOT = FIRES._replace(fires=False)


def put(backend: SQLiteBackend, name: str, next_at: int | None, expected: str = "") -> None:
    """Store a schedule, or change it."""
    revision = f"{expected}+"
    assert backend.schedules.put(name, b"{}", revision, next_at, expected) is not None


def worker(backend: SQLiteBackend, name: str, facts: WorkerFacts | None = FIRES) -> Player:
    """A worker that tells these facts."""
    player = Player(backend, name)
    backend.messages.register(player.worker, facts)
    return player


def asleep(backend: SQLiteBackend, player: Player) -> Waiter:
    """Its waiter, armed after a step. The caller closes it."""
    player.step()
    waiter = backend.messages.waiter(player.worker)
    waiter.arm()
    return waiter


def due_of(path: Path) -> int | None:
    """The time of the next offer, as the row of the namespace has it."""
    with sqlite3.connect(path) as looking:
        (due,) = looking.execute("SELECT schedule_due FROM namespaces").fetchone()
    looking.close()
    return None if due is None else int(due)


def test_the_row_of_the_namespace_has_the_next_offer(timed: SQLiteBackend, clock: Clock, path: Path) -> None:
    """Whatever changes a schedule, it has the earliest time at which one is to be offered."""
    now, schedules = clock.now, timed.schedules
    player = worker(timed, "w")
    put(timed, "a", now + 30)
    assert due_of(path) == now + 30
    put(timed, "b", now + 20)
    put(timed, "c", None)
    assert due_of(path) == now + 20
    put(timed, "b", now + 40, "+")
    assert due_of(path) == now + 30
    assert schedules.pause("a", "ada")
    assert due_of(path) == now + 40
    assert schedules.resume("a", "+", now + 10)
    assert due_of(path) == now + 10
    clock.now += 10
    assert player.step().schedules == ("a",)
    assert due_of(path) == now + 40
    assert schedules.fire("a", "+", now + 10, [], "r", now + 15) == []
    assert due_of(path) == now + 15
    assert schedules.remove("a")
    assert due_of(path) == now + 40
    assert schedules.fire("b", "++", now + 40, [], "r", None) == []
    assert due_of(path) is None
    put(timed, "a", now + 10)
    timed.clear_namespace()
    assert due_of(path) is None


def test_a_batch_is_offered_at_most(timed: SQLiteBackend, clock: Clock) -> None:
    """Of more schedules that are due, the first due are offered first, and the next step follows at once."""
    many = PROMOTION_BATCH + 5
    names = [f"s{n:04}" for n in range(many)]
    for n, name in enumerate(names):
        put(timed, name, clock.now + many - n)
    player = worker(timed, "w")
    clock.now += many
    step = player.step()
    assert step.schedules == tuple(names[-PROMOTION_BATCH:])
    assert step.next_due == 0
    step = player.step()
    assert step.schedules == tuple(names[:5])
    assert step.next_due == SCHEDULE_OFFER


@pytest.mark.parametrize("facts", [None, FIRES_NOT])
def test_a_worker_that_fires_none_sleeps_beside_one_that_is_due(
    timed: SQLiteBackend, clock: Clock, facts: WorkerFacts | None
) -> None:
    """It looks again after a second, writes nothing for it, and is not kept awake."""
    player = worker(timed, "w", facts)
    put(timed, "a", clock.now + 5)
    assert player.step().next_due == 5
    clock.now += 7
    step = player.step()
    assert (step.schedules, step.next_due) == ((), 1_000)
    put(timed, "b", clock.now + 300)
    assert player.step().next_due == 300
    waiter = asleep(timed, player)
    assert is_quiet(waiter)
    waiter.close()
    clock.now += 10
    version = timed._database.version()
    player.step()
    assert timed._database.version() == version


def test_a_change_wakes_all_that_would_sleep_too_long(timed: SQLiteBackend, clock: Clock) -> None:
    """Every sleeping worker wakes if an offer is earlier than it knows; none if it is not."""
    far = worker(timed, "far", FIRES_NOT)
    put(timed, "a", clock.now + 1_000)
    waiters = [asleep(timed, far), asleep(timed, worker(timed, "near"))]
    put(timed, "b", clock.now + 1_000)
    put(timed, "c", clock.now + 2_000)
    assert all(map(is_quiet, waiters))
    put(timed, "b", clock.now + 999, "+")
    assert not any(map(is_quiet, waiters))
    for waiter in waiters:
        waiter.close()


@pytest.mark.parametrize("how", ["resume", "fire"])
def test_an_earlier_tick_wakes(timed: SQLiteBackend, clock: Clock, how: str) -> None:
    """A tick that a resumption or a fire brings is as good as that of a change."""
    player = worker(timed, "w")
    put(timed, "a", clock.now)
    if how == "resume":
        assert timed.schedules.pause("a", "ada")
    else:
        assert player.step().schedules == ("a",)
    waiter = asleep(timed, player)
    if how == "resume":
        assert timed.schedules.resume("a", "+", clock.now + 10)
    else:
        assert timed.schedules.fire("a", "+", clock.now, [], "r", clock.now + 10) == []
    assert not is_quiet(waiter)
    waiter.close()


def test_a_worker_that_is_about_to_sleep_misses_no_schedule(timed: SQLiteBackend, clock: Clock) -> None:
    """One that was stored between its last step and its sleep, and is due earlier than it knows, wakes it."""
    player = worker(timed, "w")
    player.step()
    put(timed, "a", clock.now + 10)
    waiter = timed.messages.waiter(player.worker)
    waiter.arm()
    assert not is_quiet(waiter)
    waiter.close()


def test_what_is_due_for_nobody_does_not_hide_a_limit(timed: SQLiteBackend, clock: Clock) -> None:
    """An overdue schedule that nobody fires takes no message's time from a step's answer."""
    player = worker(timed, "w", FIRES_NOT)
    put(timed, "a", clock.now)
    submit(timed, "m", delay=50)
    assert player.step().next_due == 50
    clock.now += 50
    assert [claim.uuid for claim in player.step().claimed] == ["m"]


def test_plain_steps_run_no_statement_of_schedules(
    open_backend: Callable[..., SQLiteBackend], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as none is due, the table of schedules, and what a worker told, are not asked by a step or a sleeper."""
    seen = trace_statements(monkeypatch)
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    backend = open_backend(clock=clock)
    put(backend, "a", clock.now + 10**9)
    player = worker(backend, "w")
    seen.clear()
    submit(backend, "a")
    player.step()
    asleep(backend, player).close()
    assert len(seen) > 5
    assert not [each for each in seen if "schedules" in each or "worker_facts" in each]


def test_many_schedules_cost_a_step_nothing(
    instructions: Instructions, timed: SQLiteBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle step beside 1,000 schedules takes as many instructions as one beside a single schedule."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = worker(timed, "w")
    put(timed, "first", clock.now + 10**6)
    player.step()
    beside_one = instructions.of(player.step)
    for n in range(999):
        put(timed, f"s{n}", clock.now + 10**6 + n)
    assert instructions.of(player.step) == beside_one


_FIRE_ON = """
schedules = backend.schedules
for n in range(1_000_000):
    ticks = [Submission(f"{n}-{k}", "q", b"x" * 300) for k in range(3)]
    assert schedules.fire("s", "r", n, ticks, str(n), n + 1, n) == [Added(True)] * 3
    if n == 5:
        say("firing")
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.004, 0.013])
def test_a_kill_while_firing_leaves_whole_ticks(
    python: Callable[..., Process], backend: SQLiteBackend, delay: float
) -> None:
    """A process killed while it fires has submitted all messages of a tick and gone on to the next one, or neither."""
    assert backend.schedules.put("s", b"{}", "r", 0) is not None
    process = python(_FIRE_ON)
    assert says(process) == "firing"
    kill_after(process, delay)
    (record,) = backend.schedules.get()
    assert record.next_at is not None
    assert record.last_at == record.next_at - 1
    assert record.last_uuid == f"{record.last_at}-2"
    expected = {f"{n}-{k}" for n in range(record.next_at) for k in range(3)}
    assert set(backend.messages.uuids()) == expected


_FIRE_ALL = """
schedules = backend.schedules
say("ready")
sys.stdin.readline()
fired = 0
for n in range(200):
    fired += schedules.fire("s", "r", n, [Submission(f"{n}", "q", b"")], sys.argv[2] + str(n), n + 1, n) is not None
say(fired)
"""


@pytest.mark.slow
def test_each_tick_is_fired_once_by_several_processes(
    python: Callable[..., Process], backend: SQLiteBackend
) -> None:
    """Three processes that all try to fire each tick submit each message once, and none is left out."""
    assert backend.schedules.put("s", b"{}", "r", 0) is not None
    processes = [python(_FIRE_ALL, name) for name in "abc"]
    assert [says(each) for each in processes] == ["ready"] * 3
    for each in processes:
        tell(each)
    fired = sum(int(says(each)) for each in processes)
    (record,) = backend.schedules.get()
    assert record.next_at == fired == backend.messages.count("q")


def test_a_refused_message_of_a_tick_holds_up_nothing(timed: SQLiteBackend) -> None:
    """The others are stored, and the schedule goes on."""
    submit(timed, "b")
    put(timed, "s", 1)
    ticks = [Submission(uuid, "q", b"") for uuid in "abc"]
    answers = timed.schedules.fire("s", "+", 1, ticks, "r", 2, 1)
    assert answers is not None
    assert [each.accepted for each in answers] == [True, False, True]
    assert timed.schedules.get(["s"])[0][3:6] == (2, 1, "c")
