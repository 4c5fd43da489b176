"""The tasks of this example. `alsek thread-pool tasks` runs them; import this file to submit them."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from apscheduler.triggers.interval import IntervalTrigger

from alsek import Broker, Lock, Message, ResultStore, task
from alsek.storage.backends.sqlite import SQLiteBackend

backend = SQLiteBackend(os.environ.get("RESULTS_DB", "alsek.db"))
broker = Broker(backend)
result_store = ResultStore(backend)


@task(broker, result_store=result_store)
def add_1(number: int) -> int:
    """The root of a chain."""
    return number + 1


@task(broker, result_store=result_store)
def add_1_previous(message: Message) -> int:
    """Continue with the result of the message before it."""
    result: int = message.previous_result + 1
    return result


@task(broker, result_store=result_store)
def sum_n(n: int) -> int:
    """Takes its time, more or less."""
    time.sleep(random.uniform(0.01, 0.1))
    return n * (n + 1) // 2


# Fires in the process that calls `harvest.generate()`; a worker that imports it only runs what was submitted.
@task(
    broker,
    result_store=result_store,
    trigger=IntervalTrigger(seconds=float(os.environ.get("RESULTS_EVERY", "1"))),
)
def harvest() -> int:
    """A measurement, again and again."""
    return random.randint(0, 100)


@task(broker, result_store=result_store)
def send_report(holding: float) -> dict[str, Any]:
    """What only one worker may do at a time."""
    with Lock("report", backend=backend, ttl=60_000) as lock:
        # Somebody else has it for longer than this: then it is not ours to do.
        acquired = lock.acquire(wait=int(holding * 500))
        if acquired:
            time.sleep(holding)
        return {"worker": os.getpid(), "acquired": acquired, "fence": lock.fence}
