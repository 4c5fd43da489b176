"""What is measured of Alsek alone: what a step costs while many messages wait, and what this machine can do at all."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend
from benchmarks.cases import Sizes
from benchmarks.results import Scores
from benchmarks.round import ADAPTERS
from benchmarks.servers import redis_process, sqlite_file

_QUEUE = "alsek_queue"
_REPEATS = 400
_AT_ONCE = 8


def backlog(sizes: Sizes, scores: Scores, round_: int) -> None:
    """The median cost of each step while so many messages wait. Once is enough: sizes are compared with each other."""
    if round_:
        return
    with redis_process() as server:
        _grow(RedisBackend(server.url), "Redis", sizes.backlogs, scores)
    with sqlite_file() as path:
        _grow(SQLiteBackend(path), "SQLite", sizes.backlogs, scores)


def _grow(backend: Backend, store: str, backlogs: tuple[int, ...], scores: Scores) -> None:
    worker = Worker(uuid.uuid4().hex, "thread", None, 600_000, 0)
    backend.messages.register(worker)
    seq, waiting = 0, 0
    for size in backlogs:
        while waiting < size:
            some = [_submission() for _ in range(min(2_000, size - waiting))]
            backend.messages.add(some, uuid.uuid4().hex)
            waiting += len(some)
        adds, steps, counts, looks = [], [], [], []
        outcomes: list[Succeeded] = []
        for _ in range(_REPEATS):
            one = _submission()
            adds.append(_time(lambda one=one: backend.messages.add((one,), uuid.uuid4().hex)))
            seq += 1
            began = time.perf_counter()
            step = backend.messages.step(worker, seq, outcomes, {worker.kind: _AT_ONCE})
            steps.append(time.perf_counter() - began)
            outcomes = [Succeeded(each.uuid, each.queue, each.token) for each in step.claimed]
            counts.append(_time(lambda: backend.messages.count(_QUEUE)))
            looks.append(_time(lambda one=one: backend.messages.exists(_QUEUE, one.uuid)))
            backend.messages.add([_submission() for _ in range(_AT_ONCE - 1)], uuid.uuid4().hex)
        seq += 1
        backend.messages.step(worker, seq, outcomes, {worker.kind: 0})
        named = {"submit µs": adds, "finish and claim 8 µs": steps, "count µs": counts, "exists µs": looks}
        figures = {name: statistics.median(values) * 1e6 for name, values in named.items()}
        scores.add("backlog", f"{store}, {size:,} waiting", figures)
    backend.messages.retire(worker)
    backend.close()


def _submission() -> Submission:
    return Submission(str(uuid.uuid4()), _QUEUE, b'{"task_name":"noop","created_at":1763766000000}')


def _time(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def limits(sizes: Sizes, scores: Scores, round_: int) -> None:
    """What the parts can do that a task queue is made of."""
    figures = {}
    with redis_process() as server:
        import redis

        client = redis.Redis.from_url(server.url)
        client.set("key", "value")
        n = sizes.messages
        cpu, began = time.process_time(), time.perf_counter()
        for _ in range(n):
            client.set("key", "value")
        figures["redis-py SET, one by one /s"] = n / (time.perf_counter() - began)
        figures["its CPU µs"] = (time.process_time() - cpu) / n * 1e6
        client.close()
    with ThreadPoolExecutor(8) as pool:
        began = time.perf_counter()
        for future in [pool.submit(int) for _ in range(n)]:
            future.result()
        figures["ThreadPoolExecutor(8) /s"] = n / (time.perf_counter() - began)
    figures["fork and wait /s"] = _forks()
    scores.add("limits", "this machine", figures)


def _forks() -> float:
    """Forks a second of a process that has imported Alsek's tasks, each awaited before the next."""
    program = (
        "import gc, os, time, adapter_alsek\n"
        "gc.collect(); gc.freeze()\n"
        "n, began = 300, time.perf_counter()\n"
        "for _ in range(n):\n"
        "    pid = os.fork()\n"
        "    if not pid: os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "print(n / (time.perf_counter() - began))\n"
    )
    environ = {
        **os.environ,
        "BENCH_STORE": "redis://127.0.0.1:1/0",
        "BENCH_KEEP": "0",
        "BENCH_COROUTINES": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ADAPTERS,
        env=environ,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return float(done.stdout)


#: By the name on the command line.
SOLO: dict[str, Callable[[Sizes, Scores, int], None]] = {"backlog": backlog, "limits": limits}
