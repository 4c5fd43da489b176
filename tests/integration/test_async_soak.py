"""A group that runs coroutines of all sorts for long: it does not grow."""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import Any

import pytest

from tests.integration.conftest import Project

#: How long (s) it runs; ``ALSEK_SOAK_S=600`` is the long form.
SECONDS = float(os.environ.get("ALSEK_SOAK_S", "60"))

TASKS = """
import asyncio
import contextvars

variable = contextvars.ContextVar("variable", default=None)

@task(broker)
async def quick() -> None:
    assert variable.get() is None
    variable.set(b"x" * 10_000)

@task(broker, result_store=result_store, status_tracker=status_tracker)
async def waits(n: int) -> int:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(asyncio.sleep(n / 1000))
    return n

@task(broker, max_retries=1, backoff=None)
async def fails() -> None:
    raise ValueError("x" * 1_000)

@task(broker, max_retries=0, timeout=20)
async def late() -> None:
    await asyncio.sleep(60)

@task(broker)
async def long() -> None:
    await asyncio.sleep(60)

@task(broker)
def plain() -> None:
    variable.set(b"x" * 10_000)

@task(broker, result_store=result_store, queue="size")
async def size() -> list[int]:
    import gc
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files = len(os.listdir("/proc/self/fd"))
    threads = len(os.listdir("/proc/self/task"))
    return [os.getpid(), pages * 4, files, threads, len(asyncio.all_tasks())]
"""


@pytest.mark.deep
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
def test_a_group_does_not_grow(project: Project) -> None:
    """Neither its memory nor its descriptors, threads and tasks of the loop, from a third of the time to its end."""
    tasks: Any = project.write(TASKS)
    worker = project.worker("--n_processes", "1", "--log_level", "CRITICAL")
    chance = random.Random(1)
    began = time.monotonic()
    sizes: list[list[int]] = []
    for turn in itertools.count():
        spent = time.monotonic() - began
        if spent > SECONDS:
            break
        tasks.quick.generate_many(() for _ in range(50))
        tasks.waits.generate_many((chance.randrange(30),) for _ in range(20))
        tasks.plain.generate_many(() for _ in range(10))
        tasks.fails.generate_many(() for _ in range(3))
        tasks.late.generate_many(() for _ in range(3))
        for message in tasks.long.generate_many(() for _ in range(2)):
            tasks.broker.revoke(message)
        if turn % 5 == 0:
            sizes.append(tasks.result_store.get(tasks.size.generate(), timeout=60_000))
        while tasks.backend.count("queues:alsek_queue") > 500:
            time.sleep(0.01)
    assert worker.process.poll() is None
    assert len({pid for pid, *_ in sizes}) == 1, "the group was replaced"
    third = sizes[len(sizes) // 3 :]
    middle = len(third) // 2
    for number, (name, allowed) in enumerate(
        [("KiB of memory", 4_096), ("descriptors", 3), ("threads", 3), ("tasks of the loop", 20)], 1
    ):
        first = max(each[number] for each in third[:middle])
        last = min(each[number] for each in third[middle:])
        assert last <= first + allowed, f"{name}: {[each[number] for each in sizes]}"
    print(sizes[0], sizes[len(sizes) // 2], sizes[-1])
