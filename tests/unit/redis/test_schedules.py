"""Schedules on Redis: the member of the delayed messages that stands for them, and what finds it again."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import pytest
import redis

from alsek.storage.backends.records import Submission, WorkerFacts
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.exchange import exchange_of
from tests.command_counts import calls_of
from tests.contract.workers import Actor, an_actor

pytestmark = pytest.mark.redis

#: Ticks in the past, and some in the future.
DUE: Final = 1_700_000_000_000
LATER: Final = 4_000_000_000_000
FIRES: Final = WorkerFacts("host", 17, "1", ("t",), 4, fires=True)


def _firing(backend: RedisBackend) -> Actor:
    return an_actor(backend, facts=FIRES)


def _put(backend: RedisBackend, *names: str, at: int = DUE) -> None:
    for name in names:
        assert backend.schedules.put(name, b"{}", "r1", at) is not None


def _is_called(backend: RedisBackend, actor: Actor) -> bool:
    """Whether a token waits that wakes just this worker; it is taken."""
    return bool(backend._link.call("DEL", f"{backend.namespace}:calls:{actor.worker.id}"))


def test_schedules_that_nobody_fires_hide_no_message(backend: RedisBackend) -> None:
    """However many are due, a worker that fires none promotes delayed messages, and does not look again at once."""
    _put(backend, *(f"s{n}" for n in range(600)))
    backend.messages.add([Submission("m", "q", b"p", delay=1)], "r")
    plain = an_actor(backend)
    claimed: list[str] = []
    while not claimed:
        step = plain.step()
        claimed += [each.uuid for each in step.claimed]
    assert claimed == ["m"]
    assert step.next_due is not None
    assert step.next_due >= 1_000


def test_many_schedules_are_offered_in_batches(backend: RedisBackend) -> None:
    """More than a batch that are due are offered in several steps, each once, and the first says that more is due."""
    names = [f"s{n:03}" for n in range(600)]
    _put(backend, *names)
    actor = _firing(backend)
    first = actor.step()
    assert len(first.schedules) == 500
    assert first.next_due == 0
    second = actor.step()
    assert sorted(first.schedules + second.schedules) == names


def test_a_message_wakes_a_worker_though_a_schedule_is_overdue(backend: RedisBackend) -> None:
    """Workers that fire none don't look at once for what is overdue, so a message that is due sooner wakes one."""
    _put(backend, "s")
    an_actor(backend).step()
    link, wakes = backend._link, f"{backend.namespace}:wakes:thread"
    link.call("DEL", wakes)
    backend.messages.add([Submission("m", "q", b"p", delay=600_000)], "r1")
    assert link.call("DEL", wakes) == 1
    backend.messages.add([Submission("n", "q", b"p", delay=700_000)], "r2")
    assert link.call("DEL", wakes) == 0


def test_an_earlier_message_is_no_reason_to_let_those_sleep_who_fire(backend: RedisBackend) -> None:
    """They know of schedules, not of each message: a schedule that is due earlier than any other wakes them."""
    firing, plain = _firing(backend), an_actor(backend)
    firing.step()
    backend.messages.add([Submission("m", "q", b"p", delay=600_000)], "r")
    _put(backend, "s", at=LATER)
    assert _is_called(backend, firing)
    assert not _is_called(backend, plain)
    _put(backend, "t", at=LATER + 1)
    assert not _is_called(backend, firing)
    _put(backend, "u", at=LATER - 1)
    assert _is_called(backend, firing)


def test_fire_wakes_one_worker(backend: RedisBackend) -> None:
    """If the next tick is earlier than the next offer that workers know of, one of those that fire is woken."""
    firing = [_firing(backend) for _ in range(3)]
    _put(backend, "s")
    (name,) = firing[0].step().schedules
    for actor in firing:
        _is_called(backend, actor)
    assert (
        backend.schedules.fire(name, "r1", DUE, [Submission("m", "q", b"p")], "r", DUE + 1, DUE) is not None
    )
    assert sum(_is_called(backend, actor) for actor in firing) == 1
    assert backend.schedules.fire(name, "r1", DUE + 1, [], "r", LATER) == []
    assert not any(_is_called(backend, actor) for actor in firing)


def test_a_renewal_notices_that_0_1_0_has_taken_the_member_away(backend: RedisBackend) -> None:
    """A worker of 0.1.0 takes out what is due and is no message; a renewal puts it back, and wakes those that fire."""
    firing = _firing(backend)
    _put(backend, "s")
    _is_called(backend, firing)
    backend._link.call("ZREM", f"{backend.namespace}:delayed", "schedules")
    assert firing.step().schedules == ()
    firing.messages.renew(firing.worker, 1, [])
    assert _is_called(backend, firing)
    assert firing.step().schedules == ("s",)


def test_offers_that_are_gone_are_made_again(backend: RedisBackend) -> None:
    """If another program has deleted them, all schedules that stand at a tick are offered when one is due."""
    firing = _firing(backend)
    _put(backend, "a", "b", "p")
    _put(backend, "later", at=LATER)
    backend.schedules.pause("p", "me")
    backend._link.call("DEL", f"{backend.namespace}:offers")
    assert firing.step().schedules == ("a", "b")
    assert backend._link.call("ZCARD", f"{backend.namespace}:offers") == 3


def test_a_change_makes_offers_that_are_gone_again(backend: RedisBackend) -> None:
    """All of them, not only its own: else those of the others would stay away for good."""
    actor = _firing(backend)
    _put(backend, "a", "b", "c", "d")
    assert actor.step().schedules == ("a", "b", "c", "d")
    for change in ("put", "fire", "pause", "resume", "remove"):
        backend._link.call("DEL", f"{backend.namespace}:offers")
        if change == "put":
            _put(backend, "new", at=LATER)
        elif change == "fire":
            assert backend.schedules.fire("b", "r1", DUE, [], "request", LATER) == []
        elif change == "pause":
            assert backend.schedules.pause("c", "me")
        elif change == "resume":
            assert backend.schedules.resume("c", "r1", DUE)
        else:
            assert backend.schedules.remove("d")
        assert "a" in actor.step().schedules, change
    backend._link.call("DEL", f"{backend.namespace}:offers")
    _put(backend, "newer", at=LATER)
    assert actor.step().schedules == ("a", "c")


def test_offers_of_another_program_hold_up_no_step(backend: RedisBackend) -> None:
    """They are reported, and looked at again later."""
    firing = _firing(backend)
    _put(backend, "s")
    name = f"{backend.namespace}:offers"
    backend._link.call("DEL", name)
    backend._link.call("SET", name, "foreign")
    step = firing.step()
    assert [each.queue for each in step.corrupt] == [name]
    assert step.schedules == ()
    assert step.next_due is not None
    assert step.next_due > 50_000


def test_a_record_of_another_program_is_not_stored(backend: RedisBackend) -> None:
    """It is left out, and can be replaced."""
    _put(backend, "a", "b")
    backend._link.call("HSET", f"{backend.namespace}:schedules", "a", "foreign")
    assert [record.name for record in backend.schedules.get()] == ["b"]
    assert not backend.schedules.pause("a", "me")
    _put(backend, "a")
    assert [record.name for record in backend.schedules.get()] == ["a", "b"]


def test_nothing_is_left_of_schedules_that_were_removed(backend: RedisBackend) -> None:
    """Whether they were offered, paused or had no tick left: with the last one all of their keys go."""
    firing = _firing(backend)
    _put(backend, "a", "b", "c")
    assert firing.step().schedules == ("a", "b", "c")
    backend.schedules.pause("b", "me")
    backend.schedules.fire("c", "r1", DUE, [], "r", None)
    assert [backend.schedules.remove(name) for name in ("a", "b", "c", "a")] == [True, True, True, False]
    firing.messages.retire(firing.worker)
    prefix = f"{backend.namespace}:"
    left = {name.decode().removeprefix(prefix) for name in backend._link.call("KEYS", f"{prefix}*")}
    assert left <= {"counters", "gone"}, left


def test_texts_are_kept_whatever_is_in_them(backend: RedisBackend) -> None:
    """Names, revisions, definitions and who has paused it may hold what separates the fields of a record."""
    name, revision, definition = "a|b\n:", "1|2|3", os.urandom(100) + b"|\n\x00"
    assert backend.schedules.put(name, definition, revision, DUE) is not None
    assert backend.schedules.pause(name, "ä|1\n")
    (record,) = backend.schedules.get([name])
    assert (record.name, record.revision, record.definition) == (name, revision, definition)
    assert record.paused_by == "ä|1\n"
    assert record.next_at == DUE


def test_a_step_pays_nothing_for_schedules_that_are_not_due(lone_redis: redis.Redis) -> None:
    """It executes the same commands as without any."""
    backend = RedisBackend(lone_redis)
    firing = _firing(backend)
    firing.step()

    def commands() -> dict[str, int]:
        before = calls_of(lone_redis)
        for _ in range(10):
            firing.step()
        spent = {name: calls - before.get(name, 0) for name, calls in calls_of(lone_redis).items()}
        return {name: calls for name, calls in spent.items() if calls and name not in {"info", "hset"}}

    plain = commands()
    _put(backend, *(f"s{n}" for n in range(10)), at=LATER)
    assert commands() == plain
    backend.close()


def test_an_event_loop_needs_no_thread_for_schedules(backend: RedisBackend) -> None:
    """Each operation is an exchange, which the loop carries out on its own connection with the same answers."""
    port = backend.schedules
    for operation in (port.put, port.get, port.fire, port.pause, port.resume, port.remove):
        assert exchange_of(operation) is not None

    async def run() -> list[Any]:
        ask = backend.loop_driver().ask
        put = await ask(port.put, "s", b"{}", "r1", DUE)
        fired = await ask(port.fire, "s", "r1", DUE, [Submission("m", "q", b"p")], "r", LATER, DUE)
        paused = await ask(port.pause, "s", "me")
        resumed = await ask(port.resume, "s", "r1", LATER)
        found = await ask(port.get, ["s", "t"])
        return [put.next_at, fired[0].accepted, paused, resumed, *found, await ask(port.remove, "s")]

    due, *done, record, removed = asyncio.run(run())
    assert (due, done, removed) == (DUE, [True, True, True], True)
    assert (record.next_at, record.last_at, record.last_uuid) == (LATER, DUE, "m")
    assert port.get() == []
