"""How long a look at a store takes: at many queues and workers, and at one message among many that wait.

    python benchmarks/inspection.py [--store memory sqlite redis] [--queues 10000] [--workers 200] [--messages 1000000]

`alsek status` does the first, `alsek why` the second. A figure is the median of nine looks, with the shortest and the
longest, and the CPU time of this process and the server for one. Of several messages in a queue each has another
priority. One queue in ten has dead letters, and all have counts of the last two minutes. Each worker holds eight
messages and has told what it runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_process, sqlite_file  # noqa: E402

from alsek.core.inspection.inspector import Inspector  # noqa: E402
from alsek.core.message import Message  # noqa: E402
from alsek.storage.backends.abstract import Backend  # noqa: E402
from alsek.storage.backends.records import (  # noqa: E402
    FOR_EVER,
    HistoryCounts,
    Running,
    Worker,
    WorkerFacts,
)

#: How many messages each worker holds.
SLOTS = 8
#: The process of the server, if the store has one.
SERVERS: list[int] = []
LOOKS = 9
TASKS = tuple(f"shop.tasks.task_{number}" for number in range(30))
COUNTS = "s:110 o:100 f:4 r:3 l:2 w0:90 w3:12 w10:10 d4:60 d9:3 d20:40"
ERROR = b'{"name": "ValueError", "text": "no", "traceback": null}'


def main() -> None:
    """Measure on each store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", nargs="+", default=["memory", "sqlite", "redis"])
    parser.add_argument("--queues", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=1, help="how many messages are ready in each queue")
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    for store in options.store:
        with _opened(store) as backend:
            _many_queues(store, backend, options.queues, options.workers, options.each)
        with _opened(store) as backend:
            _one_long_queue(store, backend, options.messages)


def _many_queues(store: str, backend: Backend, n_queues: int, n_workers: int, each: int) -> None:
    names = [f"queue-{number:05}" for number in range(n_queues)]
    _submit(backend, (_message(names[number % n_queues], number) for number in range(n_queues * each)))
    for name in names[::10]:
        _submit(backend, [Message(TASKS[0], queue=name, uuid=f"dead-{name}")])
        backend.messages.fail(name, f"dead-{name}", ERROR, FOR_EVER)
    _submit(backend, (_message("held", number) for number in range(n_workers * SLOTS * 2)))
    for number in range(n_workers):
        _work(backend, number, names[number::n_workers])
    inspector = Inspector(backend)
    infos = inspector.queues()
    assert len(infos) == n_queues + 1, len(infos)
    assert sum(info.running for info in infos) == n_workers * SLOTS
    assert all(info.rate and info.oldest_ready_age is not None for info in infos if info.name != "held")
    what = f"{n_queues:,} queues, {n_workers:,} workers"
    _tell(store, f"queues()  {what}", inspector.queues)
    _tell(store, f"workers() {what}", inspector.workers)
    _tell(store, f"both      {what}", lambda: (inspector.queues(), inspector.workers()))


def _one_long_queue(store: str, backend: Backend, n_messages: int) -> None:
    inspector = Inspector(backend)
    _submit(backend, (_message("long", number, uuid=f"m{number}") for number in range(n_messages)))
    for number in range(20):
        _work(backend, number, [], limit=0)
    for name, number in (("first", 0), ("middle", n_messages // 2), ("last", n_messages - 1)):
        answer = inspector.why(f"m{number}")
        assert answer.code == "behind", answer
        _tell(
            store,
            f"why()     the {name} of {n_messages:,}",
            lambda number=number: inspector.why(f"m{number}"),
        )
    _tell(store, f"find()    the last of {n_messages:,}", lambda: inspector.find(f"m{n_messages - 1}"))
    _tell(store, f"queues()  {n_messages:,} messages in one", inspector.queues)


def _message(queue: str, number: int, uuid: str | None = None) -> Message:
    """One of several priorities and mechanisms."""
    mechanism = ("thread", "process", None)[number % 3]
    return Message(
        TASKS[number % len(TASKS)],
        queue=queue,
        uuid=uuid,
        kwargs={"customer_id": number, "force": False},
        priority=number % 4,
        mechanism=mechanism,  # type: ignore[arg-type]
        named=False,
    )


def _submit(backend: Backend, messages: Iterator[Message] | list[Message]) -> None:
    batch = []
    for message in messages:
        batch.append(message.submission(backend.serializer))
        if len(batch) == 2_000:
            backend.messages.add(batch, f"r{time.monotonic_ns()}")
            batch = []
    backend.messages.add(batch, f"r{time.monotonic_ns()}")


def _work(backend: Backend, number: int, counted: list[str], limit: int = SLOTS) -> None:
    """Register a worker that holds messages, and hand over counts of these queues."""
    kind = ("thread", "process")[number % 2]
    worker = Worker(f"{number:032x}", kind, ("held", "long"), 3_600_000, 0)  # type: ignore[arg-type]
    backend.messages.register(worker, WorkerFacts(f"host-{number % 10}", number, "1.0", TASKS, SLOTS))
    counts = [HistoryCounts(queue, TASKS[0], COUNTS) for queue in counted]
    claimed = backend.messages.step(worker, 1, (), {worker.kind: limit}, counts).claimed
    now = backend.messages.now()
    running = [Running(claim.uuid, now, 1, number, f"alsek-{slot}") for slot, claim in enumerate(claimed)]
    backend.messages.renew(worker, 1, [claim.token for claim in claimed], running)


def _tell(store: str, what: str, look: Callable[[], object]) -> None:
    times, cpu = [], _cpu_ms()
    for _ in range(LOOKS):
        begin = time.perf_counter()
        look()
        times.append((time.perf_counter() - begin) * 1_000)
    cpu = (_cpu_ms() - cpu) / LOOKS
    spread = f"{min(times):.1f}-{max(times):.1f}"
    print(f"{store:7} {what:45} {statistics.median(times):8.1f} ms ({spread}), CPU {cpu:.1f} ms", flush=True)


def _cpu_ms() -> float:
    """The CPU time of this process and of the server."""
    ticks = 0
    for pid in SERVERS:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() * 1_000 + ticks * 1_000 / os.sysconf("SC_CLK_TCK")


@contextmanager
def _opened(store: str) -> Iterator[Backend]:
    if store == "memory":
        from alsek.storage.backends.memory import MemoryBackend

        yield MemoryBackend()
    elif store == "sqlite":
        from alsek.storage.backends.sqlite import SQLiteBackend

        with sqlite_file() as path:
            backend: Backend = SQLiteBackend(path)
            yield backend
            backend.close()
    else:
        from alsek.storage.backends.redis import RedisBackend

        with redis_process() as server:
            backend = RedisBackend(server.url)
            SERVERS.append(server.pid)
            yield backend
            SERVERS.clear()
            backend.close()


if __name__ == "__main__":
    main()
