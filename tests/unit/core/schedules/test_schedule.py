"""Schedules as users hold them: read, paused, resumed, removed; synchronously and in an event loop."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.inspection.inspector import Inspector
from alsek.core.schedules.schedule import Schedule
from alsek.core.task import Task, task
from alsek.exceptions import BackendError, CorruptMessageError, SchedulingError
from alsek.storage.backends.records import Worker, WorkerFacts
from tests.clock import START
from tests.unit.core.fakes import PATIENCE
from tests.unit.core.schedules.conftest import Store

HOUR = 3_600_000


@pytest.fixture
def send(store: Store) -> Task[..., None]:
    """A task."""

    @task(store.broker)
    def send(to: str = "") -> None:
        """Does nothing."""

    return send


@pytest.fixture
def hourly(send: Task[..., None]) -> Schedule:
    """A schedule."""
    return send.schedule("hourly", IntervalTrigger(hours=1), kwargs={"to": "ada"})


def test_what_it_shows(store: Store, hourly: Schedule) -> None:
    """All of it; and the same when it is read from the store."""
    found = store.broker.schedule("hourly")
    assert found is not None
    for schedule in (hourly, found):
        assert (schedule.name, schedule.task, schedule.missed) == ("hourly", "send", "latest")
        assert (schedule.next_at, schedule.last, schedule.last_uuid) == (START + HOUR, None, None)
        assert (schedule.paused, schedule.paused_by) == (False, None)
        assert (schedule.declared, schedule.orphaned) == (False, False)
        assert isinstance(schedule.trigger, IntervalTrigger)
        assert str(schedule.trigger) == "interval[1:00:00]"
        assert repr(schedule) == f"Schedule('hourly', task='send', next_at={START + HOUR}, last=None)"
    store.clock.advance(HOUR)
    (message,) = store.fire("hourly")
    assert hourly.last is None
    assert hourly.refresh() is hourly
    assert (hourly.last, hourly.last_uuid, hourly.next_at) == (START + HOUR, message.uuid, START + 2 * HOUR)


def test_all_schedules(store: Store, send: Task[..., None], hourly: Schedule) -> None:
    """In the order of their names."""
    send.schedule("daily", CronTrigger(hour=3, timezone="UTC"))
    assert [schedule.name for schedule in store.broker.schedules()] == ["daily", "hourly"]
    assert store.broker.schedule("weekly") is None


def test_pause_and_resume(store: Store, hourly: Schedule) -> None:
    """Each says whether it has changed something, and what it says is read again."""
    assert hourly.pause("ada")
    assert not hourly.pause("bob")
    assert (hourly.paused, hourly.paused_by) == (True, "ada")
    assert repr(hourly) == f"Schedule('hourly', task='send', paused, next_at={START + HOUR}, last=None)"
    assert hourly.resume()
    assert not hourly.resume()
    assert not hourly.paused


def test_remove(store: Store, hourly: Schedule) -> None:
    """It is gone; what it has submitted stays. Who still holds it is told."""
    store.clock.advance(HOUR)
    store.fire("hourly")
    assert hourly.remove()
    assert not hourly.remove()
    assert store.broker.schedules() == []
    assert len(store.messages()) == 1
    for method in (hourly.refresh, hourly.pause, hourly.resume):
        with pytest.raises(SchedulingError, match="schedule 'hourly' is not stored: it was removed"):
            method()


def test_in_an_event_loop(store: Store, send: Task[..., None]) -> None:
    """The methods with an `a` do the same."""

    async def main() -> None:
        schedule = await send.aschedule("hourly", IntervalTrigger(hours=1), args=("ada",), missed="all")
        assert schedule.missed == "all"
        assert await schedule.apause()
        assert schedule.paused
        assert await schedule.aresume()
        assert (await schedule.arefresh()).next_at == START + HOUR
        assert [each.name for each in await store.broker.aschedules()] == ["hourly"]
        found = await store.broker.aschedule("hourly")
        assert found is not None
        assert await found.aremove()
        assert await store.broker.aschedule("hourly") is None
        with pytest.raises(SchedulingError):
            await schedule.arefresh()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_one_of_a_newer_version(store: Store) -> None:
    """It is shown as far as it can be read, and may be paused and removed."""
    store.broker.backend.schedules.put("a", b'{"version":2}', "r", START)
    schedule = store.broker.schedule("a")
    assert schedule is not None
    assert (schedule.task, schedule.missed, schedule.next_at) == (None, None, START)
    assert schedule.pause()
    with pytest.raises(CorruptMessageError, match="version"):
        _ = schedule.trigger
    with pytest.raises(CorruptMessageError, match="version"):
        schedule.resume()
    assert schedule.remove()


@pytest.mark.parametrize(
    "changes",
    [
        {"length_us": "x"},
        {"length_us": 0},
        {"length_us": None},
        {"length_us": True},
        {"start": 10**30},
        {"end": "later"},
        {"jitter": "a"},
        {"jitter": -1},
        {"zone": 7},
        {"fixed": "yes"},
        {"more": 1},
        {"kind": "date"},
        {"kind": "cron"},
        {"kind": ["interval"]},
        {"missed": "first"},
        {"missed": []},
        {"task": 5},
        {"declared": None},
    ],
)
def test_a_damaged_one_hides_no_other(
    store: Store, hourly: Schedule, send: Task[..., None], changes: dict[str, Any]
) -> None:
    """It is shown and listed as one of a newer version, is never fired, and can be put anew."""
    told = json.loads(store.record("hourly").definition)
    for name, value in changes.items():
        (told if name in told else told["trigger"])[name] = value
    port = store.broker.backend.schedules
    port.put("damaged", json.dumps(told).encode(), "r", START)
    assert [(each.name, each.task) for each in store.broker.schedules()] == [
        ("damaged", None),
        ("hourly", "send"),
    ]
    infos = Inspector(store.broker).schedules()
    assert [info.trigger is None for info in infos] == [True, False]
    assert store.fire("damaged") == []
    assert send.schedule("damaged", IntervalTrigger(hours=1)).task == "send"


def test_a_definition_that_never_ends(store: Store) -> None:
    """Nor does one that no parser can read."""
    store.broker.backend.schedules.put("deep", b"[" * 200_000, "r", START)
    (found,) = store.broker.schedules()
    assert found.task is None


def test_a_change_while_it_is_stored(store: Store, send: Task[..., None], monkeypatch: Any) -> None:
    """Whoever comes second changes what the first one has stored."""
    port = store.broker.backend.schedules
    put = port.put
    others = iter(["bob"])

    def put_after_another(*args: Any) -> Any:
        for to in others:
            send.schedule("a", IntervalTrigger(hours=1), args=(to,))
        return put(*args)

    monkeypatch.setattr(port, "put", put_after_another)
    send.schedule("a", IntervalTrigger(hours=1), args=("ada",))
    store.clock.advance(HOUR)
    assert [message.args for message in store.fire("a")] == [("ada",)]


def test_a_change_while_it_is_resumed(
    store: Store, hourly: Schedule, send: Task[..., None], monkeypatch: Any
) -> None:
    """It goes on with a tick of its new trigger."""
    port = store.broker.backend.schedules
    resume = port.resume
    hourly.pause()
    store.clock.advance(2 * HOUR)
    changes = iter([IntervalTrigger(minutes=7)])

    def resume_after_a_change(*args: Any) -> Any:
        for trigger in changes:
            send.schedule("hourly", trigger)
        return resume(*args)

    monkeypatch.setattr(port, "resume", resume_after_a_change)
    assert hourly.resume()
    assert hourly.next_at is not None
    assert (hourly.next_at - START) % (7 * 60_000) == 0


def test_a_backend_without_schedules(
    store: Store, send: Task[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence says so."""
    monkeypatch.delattr(type(store.broker.backend), "schedules")
    with pytest.raises(BackendError, match="MemoryBackend has no schedule port, so it can't keep schedules"):
        Broker(store.broker.backend).schedules()
    with pytest.raises(BackendError, match="has no schedule port"):
        send.schedule("a", IntervalTrigger(hours=1))


def register(store: Store, name: str, *schedules: str) -> None:
    """A worker whose code declares these."""
    facts = WorkerFacts("host", os.getpid(), "1", ("send",), fires=True, schedules=schedules)
    store.broker.backend.messages.register(Worker(name, "thread", None, 15_000, 0), facts)


def test_orphans(store: Store) -> None:
    """A declared schedule is orphaned while no live worker's code declares it; one made at run time never is."""
    from alsek.core.schedules.put import put_declared

    @task(store.broker, schedule=CronTrigger(hour=3, timezone="UTC"))
    def nightly() -> None:
        """Does nothing."""

    nightly.schedule("by hand", CronTrigger(hour=3, timezone="UTC"))
    assert put_declared(store.broker, [nightly]) == ("nightly",)

    def orphaned() -> list[tuple[str, bool, bool]]:
        return [(each.name, each.declared, each.orphaned) for each in store.broker.schedules()]

    assert orphaned() == [("by hand", False, False), ("nightly", True, True)]
    assert "orphaned" in repr(store.broker.schedule("nightly"))
    register(store, "w1", "nightly", "other")
    register(store, "w2")
    assert orphaned() == [("by hand", False, False), ("nightly", True, False)]
    store.clock.advance(16_000)
    assert orphaned() == [("by hand", False, False), ("nightly", True, True)]
