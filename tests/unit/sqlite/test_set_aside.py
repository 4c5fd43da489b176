"""What is set aside: found by lanes and not by messages, in the place that it would have among the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Lost, Released, SetAside, Worker
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry as sweeping
from tests.contract.workers import Actor, a_message, add, not_mine, the_facts, uuids
from tests.unit.sqlite.fakes import Player, is_quiet, put_to_sleep, submit
from tests.unit.sqlite.instructions import Instructions
from tests.waiting import rings


def has(backend: SQLiteBackend, name: str, *tasks: str, **fields: object) -> Player:
    """A worker that has these tasks."""
    player = Player(backend, name, **fields)
    backend.messages.register(player.worker, the_facts(*tasks))
    return player


def set_aside(backend: SQLiteBackend, task: str, *names: str, queue: str = "q") -> None:
    """Submit messages of a queue, and set them aside for a task."""
    other = Player(backend, f"sets aside {names[0]}", queues=(queue,), suspects="freely")
    submit(backend, *names, queue=queue)
    while claims := other.claim(len(names)):
        other.step(*(not_mine(claim, task, wait=True) for claim in claims), limit=0)
    other.retire()


@pytest.mark.parametrize("tasks", [1, 3, 40])
def test_very_many_tasks_keep_the_order(timed: SQLiteBackend, tasks: int) -> None:
    """However many lanes a queue has, it goes by priority and arrival among them and what is simply ready."""
    names = [f"t{n}" for n in range(tasks)]
    mine = has(timed, "mine", *names)
    other = Player(timed, "other")
    order = []
    for n in range(2 * tasks):
        order += [f"aside{n}", f"ready{n}"]
        add(timed, a_message(f"aside{n}", priority=n // 3), a_message(f"ready{n}", priority=n // 3))
    claims = other.claim(1_000)
    other.step(
        *(
            not_mine(claim, names[n // 2 % tasks]) if "aside" in claim.uuid else Released.of(claim)
            for n, claim in enumerate(claims)
        ),
        limit=0,
    )
    got: list[str] = []
    while claims := mine.claim(3):
        got += uuids(claims)
    assert got == order


def test_many_set_aside_cost_another_worker_nothing(
    instructions: Instructions, timed: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the task makes its steps in as many instructions beside 1,000 messages as beside one."""
    monkeypatch.setattr(sweeping, "_SWEEP_ONCE_IN", 10**9)
    player = has(timed, "player", "another", queues=None)

    def work(uuid: str) -> None:
        submit(timed, uuid)
        (claim,) = player.claim()
        player.step(Released.of(claim), limit=0)
        timed.messages.remove("q", uuid)
        player.step()

    set_aside(timed, "t", "one")
    work("first")
    beside_one = instructions.of(lambda: work("second"))
    set_aside(timed, "t", *(f"m{n}" for n in range(999)))
    assert timed.messages.aside()[0].messages == 1_000
    assert instructions.of(lambda: work("third")) <= beside_one + 50


def test_a_suspect_that_is_set_aside_is_taken_alone(timed: SQLiteBackend) -> None:
    """In its place among the others: by a worker that has the task and holds nothing."""
    mine = has(timed, "mine", "t")
    submit(timed, "bad", "good")
    (bad,) = mine.claim(1)
    mine.step(Lost(*bad[:2], bad.token, suspect=True), limit=0)
    other = Player(timed, "other", suspects="only")
    (bad,) = other.claim(5)
    assert other.step(SetAside("bad", "q", bad.token, "t", b"{}", 0), limit=0).failed == ()
    assert other.step().suspects is False
    assert uuids(mine.claim(5)) == ["bad"]
    assert mine.claim(5) == []
    (held,) = mine.held()
    step = mine.step(not_mine(held), limit=5)
    assert uuids(step.claimed) == ["bad"], "it is still the first"


def test_an_unreadable_record_is_rejected(timed: SQLiteBackend) -> None:
    """A record of another version that was set aside becomes a dead letter when its worker comes to it."""
    mine = has(timed, "mine", "t")
    set_aside(timed, "t", "a", "b")
    timed._database.write(lambda tx: tx.execute("UPDATE messages SET version = 99 WHERE uuid = 'a'"))
    step = mine.step()
    assert uuids(step.claimed) == ["b"]
    assert [corrupt.uuid for corrupt in step.corrupt] == ["a"]
    assert timed.messages.aside() == []


def test_nothing_of_a_paused_queue_is_taken(timed: SQLiteBackend) -> None:
    """What is set aside in a paused queue stays, and is not said to wait."""
    mine = has(timed, "mine", "t", queues=("own",))
    set_aside(timed, "t", "a")
    timed.messages.pause("q", "ada")
    step = mine.step()
    assert (step.claimed, step.waiting) == ([], ())
    timed.messages.resume("q")
    assert uuids(mine.claim()) == ["a"]


@pytest.fixture
def sleepers(backend: SQLiteBackend) -> Iterator[Callable[..., Waiter]]:
    """Puts workers with tasks to sleep."""
    waiters: list[Waiter] = []

    def make(name: str, *tasks: str, **fields: object) -> Waiter:
        if tasks:
            has(backend, name, *tasks, **fields)
        waiters.append(put_to_sleep(backend, name, **fields))
        return waiters[-1]

    yield make
    for waiter in waiters:
        waiter.close()


def test_only_workers_that_have_the_task_are_woken(
    backend: SQLiteBackend, sleepers: Callable[..., Waiter]
) -> None:
    """One of each kind for the message and one for what is left, whatever queues they name; the others sleep on."""
    other = Player(backend, "other")
    submit(backend, "a")
    (claim,) = other.claim()
    lacks = sleepers("lacks it", "u")
    have_it = [sleepers(name, "t", queues=("own",)) for name in ("first", "second", "third")]
    process = sleepers("process", "t", kind="process", queues=None)
    other.step(not_mine(claim), limit=0)
    assert rings(process)
    assert [is_quiet(waiter) for waiter in have_it].count(False) == 2
    assert is_quiet(lacks)


def test_what_a_step_leaves_wakes_the_next_that_has_the_task(
    backend: SQLiteBackend, sleepers: Callable[..., Waiter]
) -> None:
    """A worker that takes one of two messages that are set aside for it leaves the other to a sleeper."""
    mine = has(backend, "mine", "t")
    sleeper = sleepers("sleeper", "t", queues=("own",))
    set_aside(backend, "t", "a", "b")
    assert rings(sleeper)
    sleeper.drain()
    backend.messages.pause("q", "ada")  # so that it finds nothing, and sleeps again
    Actor(backend, Worker("sleeper", "thread", ("own",), 60_000, 1_000)).step()
    sleeper.arm()
    assert is_quiet(sleeper)
    backend._database.write(lambda tx: tx.execute("DELETE FROM pauses"))  # nobody is woken for this
    assert len(mine.claim(1)) == 1
    assert rings(sleeper)


def test_what_waits_for_tasks_that_nobody_has_hides_nothing(
    backend: SQLiteBackend, sleepers: Callable[..., Waiter]
) -> None:
    """Beside messages of many tasks that no worker has yet, what a step leaves still wakes the next worker."""
    for n in range(40):
        set_aside(backend, f"future {n}", f"m{n}")
    set_aside(backend, "t", "a", "b")
    mine = has(backend, "mine", "t")
    backend.messages.pause("q", "ada")  # so that the other falls asleep
    sleeper = sleepers("sleeper", "t", queues=("own",))
    assert is_quiet(sleeper)
    backend._database.write(lambda tx: tx.execute("DELETE FROM pauses"))  # nobody is woken for this
    assert len(mine.claim(1)) == 1
    assert rings(sleeper)


def test_a_worker_does_not_fall_asleep_beside_it(
    backend: SQLiteBackend, sleepers: Callable[..., Waiter]
) -> None:
    """A worker that is about to sleep while something is set aside for it is woken at once."""
    set_aside(backend, "t", "a")
    has(backend, "mine", "t", queues=("own",))
    waiter = backend.messages.waiter(Worker("mine", "thread", ("own",), 60_000, 1_000))
    try:
        waiter.arm()
        assert rings(waiter)
    finally:
        waiter.close()
