"""The second tour's chapter on asyncio: its blocks as they stand, with the real command, on SQLite and on Redis."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.integration.conftest import Project

pytestmark = pytest.mark.each_store

#: What the page has its blocks share.
TASKS = """
import asyncio
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

@dataclass
class Order:
    number: int
    due: datetime
    total: Decimal

@task(broker, result_store=result_store)
def invoice(order: Order, copies: int = 1) -> Decimal:
    return order.total * copies

@task(broker, result_store=result_store)
async def fetch(url: str) -> int:
    await asyncio.sleep(0.1)
    return len(url)
"""

BLOCK = """
message = await fetch.agenerate(kwargs={"url": "https://example.com"})
value = await result_store.aget(message, timeout=5_000)
status = await status_tracker.aget(message)
messages = await fetch.agenerate_many((f"https://example.com/{n}",) for n in range(100))
async for message, result in ResultPool(result_store).aistream(*messages, timeout=5_000):
    ...
await invoice.asend(order, copies=2)
async with Lock("report", backend=backend) as lock:
    if await lock.aacquire(wait=1_000):
        ...
"""

PRODUCER = """
import asyncio
import sys
from datetime import datetime, timezone

from alsek import Lock, ResultPool
from tasks import *

order = Order(7, datetime(2027, 1, 31, tzinfo=timezone.utc), Decimal("9.90"))

async def main():
{block}
    print(value, status.name, len(messages), result, await lock.aholder())

asyncio.run(main())
"""


def test_second_tour_asyncio(project: Project) -> None:
    """The chapter's block runs to its end in a program that turns each warning into an error."""
    _start(project, "--n_processes", "1")
    program = PRODUCER.format(block=textwrap.indent(BLOCK.replace("timeout=5_000", "timeout=60_000"), "    "))
    assert _run(project, program).split() == ["19", "UNKNOWN", "100", "22", "None"]


def test_second_tour_many_wait_at_once(project: Project) -> None:
    """300 coroutines of one loop that submit and wait each get their own result."""
    _start(project, "--n_processes", "1")
    program = PRODUCER.format(
        block="""
    async def one(number):
        return await fetch.aresult(await fetch.asend("x" * number), timeout=60_000)

    messages = await asyncio.gather(*(one(number) for number in range(300)))
    assert messages == list(range(300))
    value, status, result, lock = 0, TaskStatus.UNKNOWN, 0, Lock("l", backend=backend)
"""
    ).replace("from alsek import Lock", "from alsek import TaskStatus, Lock")
    assert _run(project, program).split() == ["0", "UNKNOWN", "300", "0", "None"]


def _start(project: Project, *options: str) -> None:
    # Not imported here: a dataclass looks for its module in sys.modules.
    (project.folder / "tasks.py").write_text(project._header + TASKS)
    project.worker(*options)


def _run(project: Project, program: str) -> str:
    (project.folder / "producer.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "producer.py"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
