"""What the tests of the SQLite backend play with: a clock, workers, and short words for messages."""

from __future__ import annotations

import select
import subprocess
import time
from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Outcome, Step, Submission, Succeeded, Worker

#: A day in 2023.
START = 1_700_000_000_000

Process = subprocess.Popen[str]


class Clock:
    """A time that the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Player:
    """A registered worker that counts its steps."""

    def __init__(self, backend: Backend, name: str = "w", **fields: Any) -> None:
        settings: dict[str, Any] = {"kind": "thread", "queues": ("q",), "lease": 60_000, "dlq_ttl": 1_000}
        self.worker = Worker(name, **{**settings, **fields})
        self.messages = backend.messages
        self.messages.register(self.worker)
        self.seq = 0

    def step(self, *outcomes: Outcome, limit: int = 100) -> Step:
        """Its next step."""
        self.seq += 1
        return self.messages.step(self.worker, self.seq, outcomes, {self.worker.kind: limit})


def submit(backend: Backend, *uuids: str, queue: str = "q", **fields: Any) -> list[bool]:
    """Add messages under a request of their own."""
    batch = [Submission(uuid, queue, uuid.encode(), **fields) for uuid in uuids]
    answers = backend.messages.add(batch, f"request of {','.join(uuids)}")
    return [added.accepted for added in answers]


def done(claimed: Claimed, result: bytes | None = b"result") -> Succeeded:
    """The outcome of a claim whose task returned."""
    return Succeeded(claimed.uuid, claimed.queue, claimed.token, result)


def rings(waiter: Waiter, within: float = 5.0) -> bool:
    """Whether the waiter says within so many seconds that it is worth claiming."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([waiter.fileno()], [], [], left)
        if readable and waiter.drain():
            return True
    return False


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
