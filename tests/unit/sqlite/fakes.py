"""What the tests of the SQLite backend play with: a clock, workers, and short words for messages."""

from __future__ import annotations

import select
import subprocess
from contextlib import suppress
from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Submission, Succeeded, Worker
from tests.contract.workers import Actor

Process = subprocess.Popen[str]


class Player(Actor):
    """A registered worker of the queue `q` that counts its steps."""

    def __init__(self, backend: Backend, name: str = "w", **fields: Any) -> None:
        settings: dict[str, Any] = {"kind": "thread", "queues": ("q",), "lease": 60_000, "dlq_ttl": 1_000}
        super().__init__(backend, Worker(name, **{**settings, **fields}))
        self.messages.register(self.worker)


def kill_after(process: Process, delay: float) -> None:
    """Kill a process, so many seconds from now, and wait for its end."""
    with suppress(subprocess.TimeoutExpired):  # always: the process never ends by itself
        process.wait(delay)
    process.kill()
    process.wait()


def put_to_sleep(backend: Backend, name: str, **fields: Any) -> Waiter:
    """The waiter of a new worker that has found nothing, armed. The caller closes it."""
    player = Player(backend, name, **fields)
    player.step()
    waiter = player.messages.waiter(player.worker)
    waiter.arm()
    return waiter


def submit(backend: Backend, *uuids: str, queue: str = "q", **fields: Any) -> list[bool]:
    """Add messages under a request of their own."""
    batch = [Submission(uuid, queue, uuid.encode(), **fields) for uuid in uuids]
    answers = backend.messages.add(batch, f"request of {','.join(uuids)}")
    return [added.accepted for added in answers]


def done(claimed: Claimed, result: bytes | None = b"result") -> Succeeded:
    """The outcome of a claim whose task returned."""
    return Succeeded(claimed.uuid, claimed.queue, claimed.token, result)


def is_quiet(waiter: Waiter) -> bool:
    """Whether nothing has rung by now."""
    return not select.select([waiter.fileno()], [], [], 0)[0]


def says(process: Process) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: Process, line: str = "go") -> None:
    """Send a line to a process."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
