"""A task process as its engine sees it: the jobs that it was sent, and the socket to it."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from alsek.core.clock import real_time
from alsek.core.worker.process_executor.charge import Charge
from alsek.core.worker.process_executor.frames import FrameReader, pack
from alsek.core.worker.process_executor.job import ProcessJob
from alsek.core.worker.process_executor.outcome_codec import claimed_to_wire
from alsek.core.worker.process_executor.start_permits import NUMBERS, StartPermits

#: The most bytes of messages that a process may have been sent: a busy one does not read, so they must fit its socket.
_MOST_BYTES: Final = 65_536
#: Sending to a process that does not read fails after ten seconds. (A struct timeval.)
_SEND_TIMEOUT: Final = struct.pack("ll", 10, 0)


class TaskProcess:
    """A child of the template.

    Attributes:
        pid: Its process id.
        connection: The socket to it.
        ready: Its start hooks have run.
        permits: Which of its jobs it may still start; None if it is sent one job at a time.
        permits_index: The index of these permits.
        jobs: The jobs that it was sent and has not answered, in order. It has started the first at most.
        awaiting_verdict: The answered job whose verdict it waits for.
        served: How many jobs it has answered.
        alive: The template has not reported its exit.
        shared: It ends messages that will not run, one after another, and runs no task.
        released: It is to exit: it gets no further job.
        excused: If it died now, that would have another cause than the job which it was sent and has not started. It is
            still calling a tracker for the job before, or is killed because it starts nothing.
        charge: The exception that its first job is charged with once it has died.
        kill_at: When it is killed (monotonic ms); 0 for never.
        last_answer_at: When it answered last, or was sent a job while it had none (monotonic ms).
    """

    def __init__(
        self,
        pid: int,
        connection: socket.socket,
        ready: bool,
        permits: StartPermits | None,
        permits_index: int | None,
    ) -> None:
        self.pid = pid
        self.connection = connection
        self.ready = ready
        self.permits = permits
        self.permits_index = permits_index
        self.jobs: deque[ProcessJob] = deque()
        self.awaiting_verdict: ProcessJob | None = None
        self.served = 0
        self.alive = True
        self.shared = False
        self.released = False
        self.excused = False
        self.charge: Charge | None = None
        self.kill_at = 0
        self.last_answer_at = 0.0
        self._frames = FrameReader()
        self._unsent: list[ProcessJob] = []
        self._bytes = 0
        self._assigned = 0
        # A stopped process does not read: the engine must not wait for it without limit.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)

    def fits(self, job: ProcessJob) -> bool:
        """Return True if a job may be sent although the process is busy and does not read."""
        return self._bytes + _size(job) <= _MOST_BYTES

    def assign(self, job: ProcessJob) -> None:
        """Assign a job, which the next :meth:`send_jobs` sends."""
        if not self.jobs:
            self.last_answer_at = real_time.monotonic() * 1000
        self._assigned += 1
        job.process, job.number = self, self._assigned % NUMBERS
        self.jobs.append(job)
        self._bytes += _size(job)
        self._unsent.append(job)

    def pop_answered(self) -> ProcessJob:
        """Remove and return the first job, which the process has answered."""
        job = self.jobs.popleft()
        self._bytes -= _size(job)
        self.served += 1
        return job

    def take_unstarted(self) -> list[ProcessJob]:
        """Remove and return the jobs that the process has not started, in order. It can't start them any more."""
        number = len(self.permits.revoke()) if self.permits is not None else 0
        taken = [self.jobs.pop() for _ in range(min(number, len(self.jobs)))]
        for job in taken:
            job.process = None
            self._bytes -= _size(job)
        return taken[::-1]

    def take_all(self) -> list[ProcessJob]:
        """Remove and return all jobs of a process that has exited."""
        jobs = list(self.jobs)
        self.jobs.clear()
        for job in jobs:
            job.process = None
        return jobs

    def send_jobs(self) -> None:
        """Send the jobs that were assigned since the last time.

        Raises:
            BlockingIOError: It does not read.
        """
        jobs, self._unsent = self._unsent, []
        if self.permits is not None:
            self.permits.grant(job.number for job in jobs)
        self.send(
            tuple(
                (
                    job.number,
                    job.entry,
                    claimed_to_wire(job.claimed),
                    None if job.charge is None else tuple(job.charge),
                    job.shares_process,
                )
                for job in jobs
            )
        )

    def send(self, value: Any) -> None:
        """Send a frame. Does nothing if the process has died: the template reports that.

        Raises:
            BlockingIOError: It does not read.
        """
        try:
            self.connection.sendall(pack(value))
        except BlockingIOError:
            raise
        except OSError:
            pass

    def read(self) -> None:
        """Read what has come, without waiting."""
        while True:
            try:
                data = self.connection.recv(65536, socket.MSG_DONTWAIT)
            except OSError:  # there is nothing more, now or for ever
                return
            self._frames.feed(data)
            if len(data) < 65536:
                return

    def answers(self) -> Iterator[tuple[Any, ...]]:
        """Yield the frames that were read.

        Raises:
            ValueError, EOFError, TypeError: Other code has written to its socket.
        """
        while (value := self._frames.take()) is not None:
            yield value


def _size(job: ProcessJob) -> int:
    """Return about how many bytes a job has when it is sent."""
    checkpoint = job.claimed.checkpoint
    return len(job.claimed.payload) + (0 if checkpoint is None else len(checkpoint))
