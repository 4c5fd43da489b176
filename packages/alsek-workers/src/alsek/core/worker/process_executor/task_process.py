"""One process that runs tasks, and one job for it, as their engine sees them."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any

from alsek.core.clock import real_time as time
from alsek.core.worker.process_executor.frames import FrameReader, pack
from alsek.core.worker.process_executor.start_permits import NUMBERS, StartPermits
from alsek.storage.backends.records import Claimed, Outcome, Worker

_SEND_TIMEOUT = struct.pack("ll", 10, 0)  # a struct timeval
#: The most bytes that a busy process may have been sent: they have to fit into its socket, for it does not read.
_MOST_BYTES = 65_536


class ProcessJob:
    """One claim, from when it was handed out until the store has accepted what became of it."""

    __slots__ = (
        "charge",
        "child",
        "claimed",
        "entry",
        "number",
        "outcome",
        "repeated",
        "verdict_wanted",
        "worker",
        "worker_id",
    )

    def __init__(self, claimed: Claimed, entry: int, worker: Worker) -> None:
        self.claimed = claimed
        self.entry = entry
        self.worker = worker
        self.worker_id = worker.id
        self.outcome: Outcome | None = None
        self.child: TaskProcess | None = None
        #: Names it among those that its process was sent.
        self.number = 0
        #: The exception that it is charged with: name and text.
        self.charge: tuple[str, str] | None = None
        self.verdict_wanted = False
        #: It was given to a second process, since the first died before it had begun it.
        self.repeated = False


class TaskProcess:
    """A child of the template.

    Attributes:
        pid: Its process id.
        connection: To it.
        ready: Its start hooks have run.
        permits: For what it is sent ahead; None if it is sent one job at a time.
        lane: Which permits these are.
        in_hand: What it was given and has not answered, in order. It has begun the first, at most.
        owing: What it has answered, and waits to be told the store's verdict of.
        served: How many jobs it has run.
        alive: The template has not told of its end.
        let_go: Nothing more is expected of it but its end.
        excused: Should it die now, it is not for the job that it has been sent and has not begun: it tells a tracker of
            the one before, or is killed because it begins nothing.
        doom: What its job is charged with once it has died: name and text of the exception.
        kill_at: When SIGKILL follows (monotonic ms); 0 for never.
        heard_at: When it has last answered, or was given a job while it had none (monotonic ms).
    """

    def __init__(
        self, pid: int, connection: socket.socket, ready: bool, permits: StartPermits | None, lane: int | None
    ) -> None:
        self.pid = pid
        self.connection = connection
        self.ready = ready
        self.permits = permits
        self.lane = lane
        self.in_hand: deque[ProcessJob] = deque()
        self.owing: ProcessJob | None = None
        self.served = 0
        self.alive = True
        self.let_go = False
        self.excused = False
        self.doom: tuple[str, str] | None = None
        self.kill_at = 0
        self.heard_at = 0.0
        self._frames = FrameReader()
        self._unsent: list[ProcessJob] = []
        self._bytes = 0
        self._given = 0
        # One that was stopped from outside takes nothing in: the engine must not wait for it for ever.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)

    def takes(self, job: ProcessJob) -> bool:
        """Whether a job may be sent to it although it is busy, and does not read."""
        return self._bytes + len(job.claimed.payload) <= _MOST_BYTES

    def give(self, job: ProcessJob) -> None:
        """Put a job into its hand, to be sent with the next :meth:`send_jobs`."""
        if not self.in_hand:
            self.heard_at = time.monotonic() * 1000
        self._given += 1
        job.child, job.number = self, self._given % NUMBERS
        self.in_hand.append(job)
        self._bytes += len(job.claimed.payload)
        self._unsent.append(job)

    def answered(self) -> ProcessJob:
        """The first job in its hand has been answered."""
        job = self.in_hand.popleft()
        self._bytes -= len(job.claimed.payload)
        self.served += 1
        return job

    def take_back(self) -> list[ProcessJob]:
        """The jobs in its hand that it has not begun, and now can't begin any more; in order."""
        number = len(self.permits.take_back()) if self.permits is not None else 0
        taken = [self.in_hand.pop() for _ in range(min(number, len(self.in_hand)))]
        for job in taken:
            job.child = None
            self._bytes -= len(job.claimed.payload)
        return taken[::-1]

    def send_jobs(self, patience: int) -> None:
        """Send what was put into its hand.

        Args:
            patience: How long (ms) a charge may take.

        Raises:
            BlockingIOError: It takes nothing in.
        """
        jobs, self._unsent = self._unsent, []
        if self.permits is not None:
            self.permits.give(job.number for job in jobs)
        self.send(
            tuple(
                (
                    job.number,
                    job.entry,
                    tuple(job.claimed),
                    None if job.charge is None else (*job.charge, patience),
                )
                for job in jobs
            )
        )

    def send(self, value: Any) -> None:
        """Send a frame. Nothing happens if it has died: the template tells of that.

        Raises:
            BlockingIOError: It takes nothing in.
        """
        try:
            self.connection.sendall(pack(value))
        except BlockingIOError:
            raise
        except OSError:
            pass

    def read(self) -> None:
        """Take in what has come, without waiting."""
        while True:
            try:
                data = self.connection.recv(65536, socket.MSG_DONTWAIT)
            except OSError:  # there is no more now, or never
                return
            self._frames.feed(data)
            if len(data) < 65536:
                return

    def said(self) -> Iterator[tuple[Any, ...]]:
        """What it has said, frame by frame.

        Raises:
            ValueError, EOFError, TypeError: Someone else has written to its socket.
        """
        while (value := self._frames.take()) is not None:
            yield value
