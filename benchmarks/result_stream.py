"""How fast a ResultPool yields many results, those that are there and those that come while it waits.

    python benchmarks/result_stream.py [--messages 10000] [--store redis]

Reported for `istream`: results a second, the reader's CPU time for each, and, on Redis, how many commands it sent for
each. Of those that come, the rate is that of the pool beside which it runs, if that is less.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from idle_pool import each_store, parser_of, running_pool

from alsek import Message
from alsek.tools import ResultPool


def main() -> None:
    """Measure on both stores, and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    options = parser.parse_args()
    for store in each_store(options.store):
        with running_pool() as tasks:
            pool = ResultPool(tasks.results)
            tasks.results.get(tasks.started_at.generate(), timeout=20_000)
            messages = _submit(tasks, options.messages)
            _await_end(tasks)
            _tell(store, "there", messages, pool.istream(*messages, timeout=120_000), tasks)
            messages = _submit(tasks, options.messages)
            _tell(store, "coming", messages, pool.istream(*messages, timeout=120_000), tasks)


def _submit(tasks: ModuleType, n: int) -> list[Message]:
    made: list[Message] = tasks.started_at.generate_many([()] * n)
    return made


def _await_end(tasks: ModuleType) -> None:
    while tasks.backend.messages.count(tasks.started_at.queue):
        time.sleep(0.05)


def _tell(
    store: str, which: str, messages: list[Message], results: Iterator[tuple[Any, Any]], tasks: ModuleType
) -> None:
    n, sent = len(messages), _commands(tasks)
    cpu, began = time.process_time(), time.perf_counter()
    assert sum(1 for _ in results) == n
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    asked = "" if sent is None else f", {(_commands(tasks) or 0) / n - sent / n:.3f} commands each"
    print(f"{store:7} {which:7} {n / took:,.0f} per second, {cpu / n * 1e6:.1f} µs of CPU each{asked}")


def _commands(tasks: ModuleType) -> int | None:
    """How many commands the server was sent so far, those of scripts and of the workers among them."""
    link = getattr(tasks.backend, "_link", None)
    return None if link is None else int(link.client.info("stats")["total_commands_processed"])


if __name__ == "__main__":
    main()
