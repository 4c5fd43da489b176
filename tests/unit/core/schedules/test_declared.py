"""Schedules that tasks declare, and how they get into the store."""

from __future__ import annotations

from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.schedules.put import put_declared
from alsek.core.schedules.scheduled import Scheduled
from alsek.core.task import Task, TriggerTask, task, without_hooks
from alsek.exceptions import ArgumentsError, SerializationError, ValidationError
from tests.clock import START
from tests.unit.core.schedules.conftest import Store

HOUR = 3_600_000


def nightly_at(hour: int, **options: Any) -> CronTrigger:
    """Each day at this hour."""
    return CronTrigger(hour=hour, timezone="UTC", **options)


def declaring(broker: Broker, schedule: Any) -> Task[..., None]:
    """A task that declares a schedule."""

    @task(broker, schedule=schedule)
    def nightly(tenant: str = "all", message: Message | None = None) -> None:
        """Does nothing."""

    return nightly


def test_nothing_is_stored_by_importing(store: Store) -> None:
    """A pool brings it into the store, at its start."""
    nightly = declaring(store.broker, nightly_at(3))
    assert store.broker.schedules() == []
    assert nightly.declared_schedule is not None
    assert put_declared(store.broker, [nightly]) == ("nightly",)
    (schedule,) = store.broker.schedules()
    assert (schedule.name, schedule.task, schedule.declared) == ("nightly", "nightly", True)


def test_a_task_that_declares_none(store: Store) -> None:
    """Nothing is asked of the store."""

    @task(store.broker)
    def plain() -> None:
        """Does nothing."""

    assert plain.declared_schedule is None
    assert put_declared(store.broker, [plain]) == ()


def test_with_arguments(store: Store) -> None:
    """And with options, by `Scheduled`."""
    scheduled = Scheduled(IntervalTrigger(hours=1), kwargs={"tenant": "7"}, missed="all", priority=9)
    nightly = declaring(store.broker, scheduled)
    assert put_declared(store.broker, [nightly]) == ("nightly",)
    store.clock.advance(HOUR)
    (message,) = store.fire("nightly")
    assert (message.kwargs, message.priority) == ({"tenant": "7"}, 9)
    schedule = store.broker.schedule("nightly")
    assert schedule is not None
    assert schedule.missed == "all"


def test_a_restart_changes_nothing(store: Store) -> None:
    """Neither a pause, nor where the schedule stands: the code says the same as before."""
    for begun in (nightly_at, lambda hour: IntervalTrigger(hours=hour)):
        put_declared(store.broker, [declaring(store.broker, begun(3))])
        schedule = store.broker.schedule("nightly")
        assert schedule is not None
        schedule.pause()
        before = store.record("nightly")
        store.clock.advance(HOUR)
        put_declared(store.broker, [declaring(store.broker, begun(3))])
        assert store.record("nightly") == before


def test_what_is_stored_is_left_alone_if_only_new_ones_are_put(store: Store) -> None:
    """By a pool whose store has lost something: it is not the one that started last."""

    @task(store.broker, schedule=IntervalTrigger(hours=1))
    def hourly() -> None:
        """Does nothing."""

    other = Broker(store.broker.backend)

    @task(other, name="hourly", schedule=IntervalTrigger(hours=2))
    def two_hourly() -> None:
        """Does nothing."""

    put_declared(store.broker, [hourly], only_new=True)
    before = store.record("hourly")
    put_declared(other, [two_hourly], only_new=True)
    assert store.record("hourly") == before


def test_the_pool_that_started_last_decides(store: Store) -> None:
    """The schedule is changed in place, by old code too if that starts after new code."""
    start_of_day = START // (24 * HOUR) * 24 * HOUR
    for hour in (23, 4, 23):
        put_declared(store.broker, [declaring(store.broker, nightly_at(hour))])
        tick = start_of_day + hour * HOUR
        assert store.record("nightly").next_at == tick + (24 * HOUR if tick < START else 0)


def test_code_that_declares_what_was_made_by_hand(store: Store) -> None:
    """The name is taken over, and the other way round."""
    nightly = declaring(store.broker, nightly_at(3))
    assert not nightly.schedule("nightly", nightly_at(3)).declared
    put_declared(store.broker, [nightly])
    schedule = store.broker.schedule("nightly")
    assert schedule is not None
    assert schedule.declared
    assert not nightly.schedule("nightly", nightly_at(3)).declared


@pytest.mark.parametrize(
    ("schedule", "error", "text"),
    [
        ("0 3 * * *", ValidationError, "schedule of task 'nightly': trigger='0 3"),
        (Scheduled(nightly_at(3), missed=None), ValidationError, "missed=None"),  # type: ignore[arg-type]
        (Scheduled(nightly_at(3), args=(1, 2, 3)), ArgumentsError, "schedule of task 'nightly': .*Scheduled"),
        (Scheduled(nightly_at(3), kwargs={"tenants": 1}), ArgumentsError, "tenants"),
    ],
)
def test_what_is_refused_where_it_is_declared(
    store: Store, schedule: Any, error: type[Exception], text: str
) -> None:
    """When the module is imported."""
    with pytest.raises(error, match=text):
        declaring(store.broker, schedule)


def test_arguments_that_are_missing(store: Store) -> None:
    """A function with a parameter without a default needs them."""
    with pytest.raises(ArgumentsError, match=r"give what it takes by schedule=Scheduled\(trigger, args="):

        @task(store.broker, schedule=nightly_at(3))
        def nightly(tenant: str) -> None:
            """Does nothing."""


def test_what_is_refused_when_a_pool_starts(store: Store) -> None:
    """What can't be serialized; then nothing is stored, also of the other tasks."""
    good = declaring(store.broker, nightly_at(3))
    bad = declaring(store.broker, Scheduled(nightly_at(3), args=(object(),)))
    bad.name = "bad"
    with pytest.raises(SerializationError, match="bad"):
        put_declared(store.broker, [good, bad])
    assert store.broker.schedules() == []


def test_a_trigger_is_another_thing(store: Store) -> None:
    """A task has one of them; but one with a trigger can be scheduled by hand."""
    with pytest.raises(ValidationError, match="give one of them"):
        task(store.broker, trigger=nightly_at(3), schedule=nightly_at(3))  # type: ignore[call-overload]

    @task(store.broker, trigger=nightly_at(3))
    def ticking() -> None:
        """Does nothing."""

    assert isinstance(ticking, TriggerTask)
    assert ticking.schedule("a", nightly_at(3)).task == "ticking"


def test_a_subclass_need_not_know_of_it(store: Store) -> None:
    """One whose `__init__` takes other arguments declares a schedule as well; the copy without hooks declares none."""

    class Own(Task[..., Any]):
        def __init__(self, function: Any, broker: Broker, **options: Any) -> None:
            super().__init__(function, broker, **options)

    made = task(store.broker, base_task=Own, schedule=nightly_at(3))(lambda: None)
    assert made.declared_schedule is not None
    assert without_hooks(made).declared_schedule is None


def test_type_hints_are_read_later(store: Store) -> None:
    """A declaration does not keep the hints of a function from being defined below it in its module."""
    scope: dict[str, Any] = {
        "task": task,
        "broker": store.broker,
        "schedule": Scheduled(nightly_at(3), args=({},)),
    }
    exec(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@task(broker, schedule=schedule)\n"
        "def nightly(order: Order) -> str:\n"
        "    return type(order).__name__\n"
        "@dataclass\n"
        "class Order:\n"
        "    n: int = 0\n",
        scope,
    )
    nightly = scope["nightly"]
    assert nightly.op(Message("nightly", args=({"n": 1},))) == "Order"
