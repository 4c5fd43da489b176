"""Calls of tasks that type checkers accept, and such that they must report.

Each wrong line has a comment to ignore exactly its error, and a comment that ignores nothing is an error itself. So a
wrong call that is no longer reported fails the check.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedVariable=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import assert_type

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.keys.limits import Concurrency, Rate
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.schedules.schedule import Schedule
from alsek.core.schedules.scheduled import Scheduled
from alsek.core.submission.calls import Call
from alsek.core.task import task
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore

backend = MemoryBackend()
broker = Broker(backend)
result_store = ResultStore(backend)


@dataclass
class Order:
    """An order."""

    number: int
    total: Decimal


@task(broker, result_store=result_store)
def invoice(order: Order, copies: int = 1) -> Decimal:
    """A task with two parameters."""
    return order.total * copies


@task(broker, result_store=result_store)
async def fetch(url: str, *, times: float = 1.0) -> list[str]:
    """A coroutine function."""
    return [url] * int(times)


@task(broker)
def nightly() -> None:
    """A task without parameters."""


ORDER = Order(7, Decimal("9.90"))

assert_type(invoice(ORDER), Decimal)
assert_type(invoice.send(ORDER, copies=2), Message)
assert_type(invoice.using(delay=5_000, priority=1).send(ORDER), Message)
assert_type(invoice.result(invoice.send(ORDER), timeout=5_000), Decimal)
assert_type(nightly.send(), Message)
later = invoice.using(queue="later")
assert_type(later.send(ORDER, 3), Message)

fetch.send("https://example.com", times=2.0)

invoice.send()  # type: ignore[call-arg]  # an argument is missing
invoice.send("7")  # type: ignore[arg-type]  # an argument of another type
invoice.send(ORDER, copy=2)  # type: ignore[call-arg]  # a parameter that it does not have
invoice.send(ORDER, 2, 3)  # type: ignore[call-arg]  # too many
fetch.send("x", 2.0)  # type: ignore[call-arg]  # by position what goes by name
nightly.send(1)  # type: ignore[call-arg]
invoice.using(dealy=5_000)  # type: ignore[call-arg]  # an option that there is not
invoice.using(delay="soon")  # type: ignore[arg-type]
later.send("7")  # type: ignore[arg-type]

limited = task(broker, unique=Unique("{order}", window=60_000), limits=[Concurrency(2), Rate(9, per=1_000)])(
    invoice.function
)
assert_type(limited.send(ORDER).duplicate, bool)
limited.generate(args=(ORDER,), unique=False, limits=Rate(9, per=timedelta(seconds=1), key="api"))
limited.using(unique=Unique(""), limits=False).send(ORDER)
limited.generate_many([(ORDER,), Call((ORDER,), unique=False, limits=[Concurrency(1)])], unique=Unique())

task(broker, unique=True)  # type: ignore[call-overload]  # which key?
Unique("{order}", until="claimed")  # type: ignore[arg-type]
limited.generate(args=(ORDER,), unique="{order}")  # type: ignore[arg-type]
limited.generate(args=(ORDER,), limits=2)  # type: ignore[arg-type]
Rate(9)  # type: ignore[call-arg]  # in which time?


@task(broker, schedule=CronTrigger(hour=3, timezone="Europe/Berlin"))
def at_night(tenant: str = "all") -> int:
    """A task that declares a schedule: in all else it is one like any other."""
    return len(tenant)


at_noon = task(broker, schedule=Scheduled(IntervalTrigger(hours=6), args=("7",), missed="all", priority=1))(
    at_night.function
)
assert_type(at_night("7"), int)
assert_type(at_noon.send("7"), Message)
assert_type(
    at_noon.schedule("digest-7", IntervalTrigger(hours=6), kwargs={"tenant": "7"}, missed="skip", queue="q"),
    Schedule,
)
assert_type(broker.schedules(), list[Schedule])

at_noon.schedule("digest-7")  # type: ignore[call-arg]  # when?
at_noon.schedule("digest-7", IntervalTrigger(hours=6), missed="never")  # type: ignore[arg-type]
at_noon.schedule("digest-7", IntervalTrigger(hours=6), uuid="u")  # type: ignore[call-arg]  # each tick has its own
Scheduled(IntervalTrigger(hours=6), missed="never")  # type: ignore[arg-type]
task(broker, trigger=IntervalTrigger(hours=6), schedule=IntervalTrigger(hours=6))  # type: ignore[call-overload]

text: str = invoice.result(invoice.send(ORDER))  # type: ignore[assignment]  # it is a Decimal
