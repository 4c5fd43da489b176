"""Schedules of tasks on every store: made, changed and fired by the core, by the store's clock."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.firing import Firing
from alsek.core.task import Task, task
from alsek.defaults import MAX_MISSED_TICKS, MISSED_AFTER
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import ScheduleRecord
from tests.contract.stores import START, Store

pytest.importorskip("apscheduler")
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

SECOND = 1_000


def sending(backend: Backend) -> Task[..., None]:
    """A task."""

    @task(Broker(backend))
    def send(to: str = "") -> None:
        """Does nothing."""

    return send


def another(store: Store) -> Backend:
    """Another backend object of the store; the same one, if that has only one."""
    return store.open() if store.backend.shared else store.backend


def fire(backend: Backend, *names: str) -> None:
    """Fire these, as a worker does that is offered them."""
    Firing(Broker(backend)).fire(names, may_fire)


def may_fire(record: ScheduleRecord, definition: Definition) -> bool:
    """Any may be fired."""
    return True


def messages(backend: Backend) -> list[Message]:
    """What is stored, in the order of the ticks."""
    found = [
        Message.unpack(each.uuid, each.queue, each.payload, backend.serializer)
        for queue in backend.messages.queues()
        for each in backend.messages.browse(queue)
    ]
    return sorted(found, key=lambda message: message.created_at)


def ticks(backend: Backend) -> list[int]:
    """The seconds after the start of which there are messages."""
    return [(message.created_at - START) // SECOND for message in messages(backend)]


@pytest.mark.parametrize(("missed", "fired"), [("latest", [30]), ("all", [*range(1, 31)]), ("skip", [])])
def test_thirty_seconds_without_pools(store: Store, missed: Any, fired: list[int]) -> None:
    """The policy says what is fired of 30 ticks; then the schedule goes on."""
    schedule = sending(store.backend).schedule("s", IntervalTrigger(seconds=1), missed=missed)
    store.advance(30 * SECOND + 1)
    fire(store.backend, "s")
    assert ticks(store.backend) == fired
    assert schedule.refresh().next_at == START + 31 * SECOND
    store.advance(SECOND)
    fire(store.backend, "s")
    assert ticks(store.backend) == [*fired, 31]


@pytest.mark.parametrize("missed", ["latest", "all", "skip"])
def test_late_is_not_missed(store: Store, missed: Any) -> None:
    """Up to five seconds after its time each tick is fired, whatever the policy."""
    sending(store.backend).schedule("s", IntervalTrigger(seconds=1), missed=missed)
    store.advance(SECOND + MISSED_AFTER)
    fire(store.backend, "s")
    assert ticks(store.backend) == [1, 2, 3, 4, 5, 6]


def test_a_day_without_pools(store: Store) -> None:
    """Of the ticks of a day, `all` fires the last 1,000, in order."""
    sending(store.backend).schedule("s", IntervalTrigger(seconds=1), missed="all")
    store.advance(86_400 * SECOND)
    fire(store.backend, "s")
    assert ticks(store.backend) == [*range(86_401 - MAX_MISSED_TICKS, 86_401)]


def test_many_fire_at_once(store: Store) -> None:
    """Each tick has one message, however many try at the same moment."""
    sending(store.backend).schedule("s", IntervalTrigger(seconds=1), missed="all")
    store.advance(250 * SECOND)
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        fire(store.backend, "s")

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fire(store.backend, "s")
    assert ticks(store.backend) == [*range(1, 251)]


def test_a_change_is_seen_everywhere(store: Store) -> None:
    """Whoever fires next fires what is stored then, also through another backend object."""
    send = sending(store.backend)
    send.schedule("s", IntervalTrigger(hours=1), args=("ada",))
    other = another(store)
    send.schedule("s", CronTrigger(second="*/10", timezone="UTC"), args=("bob",))
    store.advance(10 * SECOND)
    fire(other, "s")
    assert [message.args for message in messages(store.backend)] == [("bob",)]


def test_a_tick_that_is_fired_while_the_schedule_is_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes it has read it before. It is not fired again, even if nobody knows its message any more."""
    send = sending(store.backend)
    send.schedule("s", IntervalTrigger(seconds=1), args=("ada",))
    store.advance(SECOND)
    port = store.backend.schedules
    put, changes = port.put, iter([1])

    def put_after_a_tick(*args: Any) -> Any:
        for _ in changes:
            fire(store.backend, "s")
            (message,) = messages(store.backend)
            send.broker.remove(message)
        return put(*args)

    monkeypatch.setattr(port, "put", put_after_a_tick)
    schedule = send.schedule("s", IntervalTrigger(seconds=1), args=("bob",))
    assert (schedule.last, schedule.next_at) == (START + SECOND, START + 2 * SECOND)
    fire(store.backend, "s")
    assert ticks(store.backend) == []
    store.advance(SECOND)
    fire(store.backend, "s")
    assert [message.args for message in messages(store.backend)] == [("bob",)]


def test_in_an_event_loop(store: Store) -> None:
    """The methods with an `a` do the same, without blocking it."""
    backend = another(store)
    send = sending(backend)

    async def main() -> None:
        schedule = await send.aschedule("s", IntervalTrigger(seconds=1), args=("ada",))
        assert await schedule.apause("ada")
        assert schedule.paused_by == "ada"
        assert await schedule.aresume()
        (found,) = await send.broker.aschedules()
        assert (found.name, found.next_at, found.paused) == ("s", START + SECOND, False)
        assert await found.aremove()
        assert await send.broker.aschedule("s") is None
        await backend.aclose()

    asyncio.run(main())


def test_a_schedule_of_one_process_is_that_of_all(store: Store) -> None:
    """It is shown, paused, resumed and removed through any backend object."""
    sending(store.backend).schedule("s", IntervalTrigger(seconds=1))
    other = Broker(another(store)).schedule("s")
    assert other is not None
    assert other.pause("ada")
    mine = Broker(store.backend).schedule("s")
    assert mine is not None
    assert (mine.paused_by, mine.next_at) == ("ada", START + SECOND)
    store.advance(3 * SECOND)
    fire(store.backend, "s")
    assert ticks(store.backend) == []
    assert mine.resume()
    assert mine.next_at == START + 4 * SECOND
    assert other.remove()
    assert Broker(store.backend).schedules() == []
