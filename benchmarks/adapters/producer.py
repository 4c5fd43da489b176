"""The producer: does one thing to one peer, in the peer's own environment, and prints one line of JSON.

    python producer.py adapter_huey submit 2000
    python producer.py adapter_huey steady 10000 1000

Each adapter has the same functions, plain or async: ``one_by_one(n)``, ``bulk(n)`` where the peer has it,
``computing(n)``, ``sized(n, size)``, ``waiting(n, milliseconds)``, ``queued(n, queues)`` where it has queues,
``start(index)``, ``start_later(index, delay_ms)`` where it has it, ``round_trip()``; ``session()`` around all.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
import time
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import measurements

_READY_WITHIN_S = 30.0
_LATE = 20.0
_PAUSE_S = 0.01


async def _do(function: Any, *arguments: int) -> None:
    made = function(*arguments)
    if inspect.isawaitable(made):
        await made


async def _enter(adapter: ModuleType, what: str, *numbers: int) -> dict[str, Any]:
    manager = adapter.session()
    if hasattr(manager, "__aenter__"):
        async with manager:
            return await _ACTIONS[what](adapter, *numbers)
    with manager:
        return await _ACTIONS[what](adapter, *numbers)


async def _fill(adapter: ModuleType, n: int) -> dict[str, Any]:
    await _do(getattr(adapter, "bulk", adapter.one_by_one), n)
    return {}


async def _fill_computing(adapter: ModuleType, n: int) -> dict[str, Any]:
    await _do(adapter.computing, n)
    return {}


async def _fill_sized(adapter: ModuleType, n: int, size: int) -> dict[str, Any]:
    await _do(adapter.sized, min(20, n), size)  # connections, scripts, caches
    cpu, began = time.process_time(), time.perf_counter()
    await _do(adapter.sized, n - min(20, n), size)
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


async def _fill_waiting(adapter: ModuleType, n: int, milliseconds: int) -> dict[str, Any]:
    await _do(adapter.waiting, n, milliseconds)
    return {}


async def _fill_queued(adapter: ModuleType, n: int, queues: int) -> dict[str, Any]:
    await _do(adapter.queued, n, queues)
    return {}


async def _timed(function: Any, n: int) -> dict[str, Any]:
    await _do(function, min(100, n))  # connections, scripts, caches
    cpu, began = time.process_time(), time.perf_counter()
    await _do(function, n)
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


async def _submit(adapter: ModuleType, n: int) -> dict[str, Any]:
    return await _timed(adapter.one_by_one, n)


async def _bulk(adapter: ModuleType, n: int) -> dict[str, Any]:
    return await _timed(adapter.bulk, n)


async def _started(stamps: measurements.Stamps, index: int, within: float) -> int:
    deadline = time.monotonic() + within
    while not (at := stamps.get(index)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"task {index} was not started within {within:.0f} s")
        await asyncio.sleep(0.002)
    return at


async def _ping(adapter: ModuleType, n: int) -> dict[str, Any]:
    await _do(adapter.start, 0)
    await _started(measurements.Stamps(), 0, _READY_WITHIN_S)
    return {}


async def _latency(adapter: ModuleType, n: int) -> dict[str, Any]:
    stamps, starts = measurements.Stamps(), []
    for index in range(1, n + 1):
        await asyncio.sleep(_PAUSE_S)
        began = time.monotonic_ns()
        await _do(adapter.start, index)
        starts.append((await _started(stamps, index, _LATE) - began) / 1e6)
    return {"ms": starts}


async def _trips(adapter: ModuleType, n: int) -> dict[str, Any]:
    await _do(adapter.round_trip)
    trips = []
    for _ in range(n):
        await asyncio.sleep(_PAUSE_S)
        began = time.monotonic_ns()
        await _do(adapter.round_trip)
        trips.append((time.monotonic_ns() - began) / 1e6)
    return {"ms": trips}


async def _lateness(adapter: ModuleType, n: int) -> dict[str, Any]:
    stamps, due = measurements.Stamps(), []
    # The first submission connects, which takes longer than most are late.
    await _do(adapter.start_later, n + 1, 100)
    for index in range(1, n + 1):
        delay = 1_500 + index * 2_000 // n
        due.append(time.monotonic_ns() + delay * 1_000_000)
        await _do(adapter.start_later, index, delay)
    late = []
    for index, at in enumerate(due, start=1):
        late.append((await _started(stamps, index, _LATE) - at) / 1e6)
    return {"ms": late}


async def _steady(adapter: ModuleType, n: int, rate: int) -> dict[str, Any]:
    """Submit `n` messages, one each 1/rate s; when each was started, after the call that submitted it.

    The pauses block, so that they are equally exact for all; nothing is under way in them. A submission that takes
    longer than its share is followed by the next at once.
    """
    await _do(adapter.start, 0)
    await _started(measurements.Stamps(), 0, _READY_WITHIN_S)
    submitted = []
    start, cpu = adapter.start, time.process_time()
    began = time.monotonic_ns()
    for index in range(1, n + 1):
        pause = began + index * 1_000_000_000 // rate - time.monotonic_ns()
        if pause > 0:
            time.sleep(pause / 1e9)  # noqa: ASYNC251
        submitted.append(time.monotonic_ns())
        made = start(index)
        if made is not None and inspect.isawaitable(made):
            await made
    took, cpu = (time.monotonic_ns() - began) / 1e9, time.process_time() - cpu
    starts = await _all_started(n)
    return {
        "ms": [(at - when) / 1e6 for at, when in zip(starts, submitted, strict=True)],
        "seconds": took,
        "cpu": cpu,
    }


async def _all_started(n: int) -> list[int]:
    """When tasks 1 to n were started, as soon as all were."""
    stamps, deadline = measurements.Stamps(), time.monotonic() + _LATE
    missing = n
    while missing:
        missing = sum(not stamps.get(index) for index in range(1, n + 1))
        if missing and time.monotonic() > deadline:
            raise TimeoutError(
                f"{missing} of {n} tasks were not started {_LATE:.0f} s after the last submission"
            )
        await asyncio.sleep(0.02)
    return [stamps.get(index) for index in range(1, n + 1)]


async def _carried(adapter: ModuleType, n: int) -> dict[str, Any]:
    """Submit `n` messages as fast as it goes; how many tasks a second were started meanwhile."""
    await _do(adapter.start, 0)
    await _started(measurements.Stamps(), 0, _READY_WITHIN_S)
    for index in range(1, n + 1):
        await _do(adapter.start, index)
    over = time.monotonic_ns()
    starts = sorted(await _all_started(n))
    # Of what was started while messages were submitted, without the first third, in which all warms up.
    meanwhile = [at for at in starts if at <= over] or starts
    late = meanwhile[len(meanwhile) // 3 :]
    return {"rate": (len(late) - 1) / (late[-1] - late[0]) * 1e9}


_ACTIONS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "fill": _fill,
    "fill-computing": _fill_computing,
    "fill-sized": _fill_sized,
    "fill-waiting": _fill_waiting,
    "fill-queued": _fill_queued,
    "submit": _submit,
    "bulk": _bulk,
    "ping": _ping,
    "latency": _latency,
    "trips": _trips,
    "lateness": _lateness,
    "steady": _steady,
    "carried": _carried,
}


def main() -> None:
    """As the command line says."""
    name, what, *numbers = sys.argv[1:]
    adapter = importlib.import_module(name)
    print(json.dumps(asyncio.run(_enter(adapter, what, *map(int, numbers)))))


if __name__ == "__main__":
    main()
