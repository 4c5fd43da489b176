"""The tasks of the chaos suite, on any backend. Each logs its runs in the journal, and returns which run it was."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
import uuid as uuids
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from alsek import Broker, Message, Reject, ResultStore, Retry, StatusTracker, Unique, task
from alsek.core.backoff import ConstantBackoff
from alsek.core.task import AnyTask
from alsek.storage.backends.abstract import Backend
from tests.chaos import execution_log as journal
from tests.chaos import row_log

QUEUE = "chaos"

#: A pill is tried so often again before it is dead.
PILL_RETRIES = 1


#: What becomes of a message of `keyed` or `lane`.
Fate: TypeAlias = Literal["succeeds", "retries", "fails"]

#: Messages of `hold` end once this file lies beside the journal.
RELEASED = "released"


class Troupe(NamedTuple):
    """All that the scenarios run."""

    broker: Broker
    results: ResultStore
    statuses: StatusTracker
    work: AnyTask
    hold: AnyTask
    bulky: AnyTask
    pill: AnyTask
    parent: AnyTask
    child: AnyTask
    hog: AnyTask
    flaky: AnyTask
    doomed: AnyTask
    nothing: AnyTask
    wait: AnyTask
    keyed: AnyTask
    lane: AnyTask
    gather: AnyTask
    load: AnyTask
    aload: AnyTask
    tick: AnyTask


def troupe(backend: Backend, path: str) -> Troupe:
    """The tasks on this backend, with their journal at `path`."""
    broker = Broker(backend)
    results = ResultStore(backend, ttl=None)
    statuses = StatusTracker(backend)
    released = Path(path).with_name(RELEASED)
    common: dict[str, Any] = {
        "queue": QUEUE,
        "result_store": results,
        "status_tracker": statuses,
        "backoff": ConstantBackoff(constant=20, floor=0),
        "max_retries": None,
    }

    def begin(message: Message, source: str = "-") -> str:
        run = uuids.uuid4().hex[:12]
        journal.append(path, "begun", message.uuid, run, source)
        return run

    def end(message: Message, run: str, source: str = "-", **more: Any) -> dict[str, Any]:
        journal.append(path, "ended", message.uuid, run, source)
        return {"run": run, **more}

    @task(broker, name="work", **common)
    def work(ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        time.sleep(ms / 1000)
        return end(message, run)

    @task(broker, name="wait", **common)
    async def wait(ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        await asyncio.sleep(ms / 1000)
        return end(message, run)

    @task(broker, name="hold", **common)
    def hold(message: Message) -> dict[str, Any]:
        run = begin(message)
        while not released.exists():
            time.sleep(0.02)
        return end(message, run)

    @task(broker, name="bulky", **common)
    def bulky(text: str, message: Message) -> dict[str, Any]:
        run = begin(message)
        return end(message, run, text=text)

    @task(broker, name="pill", **{**common, "max_retries": PILL_RETRIES})
    def pill(message: Message) -> None:
        begin(message)
        os.kill(os.getpid(), signal.SIGKILL)

    @task(broker, name="parent", **common)
    def parent(ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        time.sleep(ms / 1000)
        return end(message, run)

    @task(broker, name="child", **common)
    def child(message: Message) -> dict[str, Any]:
        source = message.previous_result["run"]
        run = begin(message, source)
        return end(message, run, source)

    @task(broker, name="hog", **common)
    def hog(ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        ctypes.PyDLL(None).poll(None, 0, ms)  # a call by PyDLL keeps the GIL
        return end(message, run)

    @task(broker, name="flaky", **common)
    def flaky(message: Message) -> dict[str, Any]:
        run = begin(message)
        if message.retries == 0:
            raise ValueError("not the first time")
        return end(message, run)

    @task(broker, name="doomed", **{**common, "max_retries": 1})
    def doomed(message: Message) -> None:
        begin(message)
        raise ValueError("never")

    def suffer(fate: Fate, message: Message) -> None:
        if fate == "fails":
            raise Reject(fate)
        if fate == "retries" and message.retries == 0:
            raise ValueError(fate)

    @task(broker, name="keyed", unique=Unique("{key}"), **common)
    def keyed(key: int, ms: int, fate: Fate, message: Message) -> dict[str, Any]:
        run = begin(message, f"key-{key}")
        time.sleep(ms / 1000)
        result = end(message, run, f"key-{key}")
        suffer(fate, message)
        return result

    @task(broker, name="lane", **common)
    def lane(amount: int, ms: int, fate: Fate, message: Message) -> dict[str, Any]:
        run = begin(message, f"lane-{amount}")
        time.sleep(ms / 1000)
        result = end(message, run, f"lane-{amount}")
        suffer(fate, message)
        return result

    @task(broker, name="gather", **common)
    def gather(message: Message) -> dict[str, Any]:
        run = begin(message)
        return end(message, run, of=message.previous_result)

    @task(broker, name="load", **common)
    def load(rows: int, interval: int, ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        first = message.checkpoint or 0
        row_log.append(path, message.uuid, "begun", first)
        for row in range(first, rows):
            if message.stopping:
                message.save(row)
                row_log.append(path, message.uuid, "saved", row)
                raise Retry(delay=0, uncounted=True)
            message.progress(row, rows, "rows")
            if row % interval == 0:
                message.save(row)
                row_log.append(path, message.uuid, "saved", row)
            time.sleep(ms / 1000)
            row_log.append(path, message.uuid, "row", row)
        message.progress(rows, rows, "rows")
        return end(message, run)

    @task(broker, name="aload", **common)
    async def aload(rows: int, interval: int, ms: int, message: Message) -> dict[str, Any]:
        run = begin(message)
        first = message.checkpoint or 0
        row_log.append(path, message.uuid, "begun", first)
        for row in range(first, rows):
            if message.stopping:
                await message.asave(row)
                row_log.append(path, message.uuid, "saved", row)
                raise Retry(delay=0, uncounted=True)
            message.progress(row, rows, "rows")
            if row % interval == 0:
                await message.asave(row)
                row_log.append(path, message.uuid, "saved", row)
            await asyncio.sleep(ms / 1000)
            row_log.append(path, message.uuid, "row", row)
        message.progress(rows, rows, "rows")
        return end(message, run)

    @task(broker, name="tick", **common)
    def tick(name: str, message: Message) -> dict[str, Any]:
        source = f"{name}-{message.created_at}"
        run = begin(message, source)
        return end(message, run, source)

    @task(broker, name="nothing", queue=QUEUE)
    def nothing() -> None:
        return

    return Troupe(
        broker,
        results,
        statuses,
        work,
        hold,
        bulky,
        pill,
        parent,
        child,
        hog,
        flaky,
        doomed,
        nothing,
        wait,
        keyed,
        lane,
        gather,
        load,
        aload,
        tick,
    )
