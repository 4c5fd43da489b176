"""A task process's connection to its engine: it receives jobs and verdicts, and sends answers.

An answer is sent before the next job is started, so that it outlives the process. The engine is not woken for each
answer, but before this process waits for anything, and otherwise at most once a millisecond.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from typing import Any, Final, NamedTuple

from alsek.core.clock import real_time
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.process_executor.frames import FrameReader, pack, receive
from alsek.core.worker.process_executor.start_permits import StartPermits

#: A number: a member of an enum would be looked up, and its page copied, by each process.
_DONT_WAIT: Final = int(socket.MSG_DONTWAIT)
#: How long an answer may wait for the engine's next wake-up while further jobs run.
_NOTIFY_EVERY_S: Final = 0.001


class JobRequest(NamedTuple):
    """A job, as it is sent.

    Attributes:
        number: Which of the jobs that this process was sent recently it is.
        entry: Its number in the shared state.
        claimed: The claim, as :mod:`~alsek.core.worker.process_executor.outcome_codec` sends it.
        charge: The fields of the charge; None if the task is to be run.
        more: The process may be sent others after it, however few tasks it serves.
    """

    number: int
    entry: int
    claimed: tuple[Any, ...]
    charge: tuple[str, str] | None
    more: bool = False


class EngineConnection:
    """The process's end of the connection.

    Args:
        engine: The socket.
        wakeup: Wakes the engine. The byte that is written is the lowest of the pid.
        permits: Which jobs may still be started; None if jobs are never revoked.
    """

    def __init__(self, engine: socket.socket, wakeup: WakeupPipe, permits: StartPermits | None) -> None:
        self._engine = engine
        self._wakeup = wakeup
        self._permits = permits
        self._frames = FrameReader()
        self._received: deque[tuple[Any, ...]] = deque()
        self._permit: int | None = None
        self._unnotified = False
        self._notify_at = 0.0

    def next_job(self) -> JobRequest | None:
        """Wait for the next job and return it; None when the engine has closed. The job must be started now."""
        while (job := self._permitted()) is None:
            request = self._receive()
            if request is None:
                return None
            self._received.extend(request)
        return JobRequest(*job)

    def _permitted(self) -> tuple[Any, ...] | None:
        """Return the next job that may be started, and skip those that were revoked."""
        if not self._received:
            return None
        if self._permits is None:
            return self._received.popleft()
        if self._permit is None:
            self._permit = self._permits.take()
        if self._permit is None:  # all were revoked, or are being sent again
            return None
        while self._received:
            job = self._received.popleft()
            if job[0] == self._permit:
                self._permit = None
                return job
        return None

    def receive_verdict(self) -> bool | None:
        """Wait until the engine says if the store has accepted the last answer; None when the engine has closed."""
        while True:
            request = self._receive()
            if request is None or isinstance(request, bool):
                return request
            self._received.extend(request)

    def _receive(self) -> Any:
        if self._unnotified:
            self._notify()
        return receive(self._engine, self._frames)

    def send_now(self, value: tuple[Any, ...]) -> None:
        """Send a value and wake the engine at once."""
        self.send_answer(pack(value))
        self._notify()

    def send_answer(self, frame: bytes) -> None:
        """Send an answer. Does nothing if the engine has closed; there is no next job then either."""
        unsent = memoryview(frame)
        while unsent:
            try:
                unsent = unsent[self._engine.send(unsent, _DONT_WAIT) :]
            except (BrokenPipeError, ConnectionResetError):
                return
            except BlockingIOError:  # the socket is full until the engine reads
                self._notify()
                poll = select.poll()
                poll.register(self._engine, select.POLLOUT)
                poll.poll()
        self._unnotified = True  # also of what was sent since the last wake-up
        if real_time.monotonic() >= self._notify_at:
            self._notify()

    def flush(self) -> None:
        """Wake the engine for answers that it was not woken for yet: the process exits."""
        if self._unnotified:
            self._notify()

    def _notify(self) -> None:
        self._unnotified = False
        self._notify_at = real_time.monotonic() + _NOTIFY_EVERY_S
        self._wakeup.notify(bytes((os.getpid() & 0xFF,)))
