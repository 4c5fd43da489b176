"""A task process's line to its engine: in come jobs and verdicts, out go answers.

An answer is on its way before the next job is begun, so that it outlives the process. But the engine is not woken for
each: the bell is rung before this process waits for anything, and else once a millisecond.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from typing import Any, NamedTuple

from alsek.core.clock import real_time as time
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.process_executor.frames import FrameReader, pack, receive
from alsek.core.worker.process_executor.start_permits import StartPermits

#: How long (s) an answer may lie there while further jobs are run.
_RING_EVERY = 0.001


class JobRequest(NamedTuple):
    """A job, as it is sent.

    Attributes:
        number: Names it among those that this process was sent of late.
        entry: Its number in the shared state.
        claimed: The fields of the claim.
        charge: The exception that it is to be concluded by, name and text, and how long that may take (ms); None to
            run it.
    """

    number: int
    entry: int
    claimed: tuple[Any, ...]
    charge: tuple[str, str, int] | None


class EngineConnection:
    """The process's end.

    Args:
        engine: The socket.
        bell: Makes the engine look at it.
        permits: What tells which jobs may still be begun; None where nothing is ever taken back.
    """

    def __init__(self, engine: socket.socket, bell: WakeupPipe, permits: StartPermits | None) -> None:
        self._engine = engine
        self._bell = bell
        self._permits = permits
        self._frames = FrameReader()
        self._given: deque[tuple[Any, ...]] = deque()
        self._permit: int | None = None
        self._unheard = False
        self._ring_at = 0.0

    # ── in ─────────────────────────────────────────────────────────────────────────────────────

    def next(self) -> JobRequest | None:
        """Wait for the next job, which has to be begun now; None when the engine has closed."""
        while (given := self._permitted()) is None:
            request = self._receive()
            if request is None:
                return None
            self._given.extend(request)
        return JobRequest(*given)

    def _permitted(self) -> tuple[Any, ...] | None:
        """The next job of those that have come; those that were taken back are passed over."""
        if not self._given:
            return None
        if self._permits is None:
            return self._given.popleft()
        if self._permit is None:
            self._permit = self._permits.take()
        if self._permit is None:  # all were taken back, or are just being given anew
            return None
        while self._given:
            given = self._given.popleft()
            if given[0] == self._permit:
                self._permit = None
                return given
        return None

    def verdict(self) -> bool | None:
        """Wait for the store's verdict on the last answer; None when the engine has closed."""
        while True:
            request = self._receive()
            if request is None or isinstance(request, bool):
                return request
            self._given.extend(request)

    def _receive(self) -> Any:
        if self._unheard:
            self._ring()
        return receive(self._engine, self._frames)

    # ── out ────────────────────────────────────────────────────────────────────────────────────

    def say(self, value: tuple[Any, ...]) -> None:
        """Send something that the engine is to hear at once."""
        self.answer(pack(value))
        self._ring()

    def answer(self, frame: bytes) -> None:
        """Send an answer. If the engine has closed, nobody wants it: then there is nothing next either."""
        unsent = memoryview(frame)
        while unsent:
            try:
                unsent = unsent[self._engine.send(unsent, socket.MSG_DONTWAIT) :]
            except (BrokenPipeError, ConnectionResetError):
                return
            except BlockingIOError:  # it is large: the engine has to make room
                self._ring()
                poll = select.poll()
                poll.register(self._engine, select.POLLOUT)
                poll.poll()
        self._unheard = True  # what came after the last ring, too
        if time.monotonic() >= self._ring_at:
            self._ring()

    def end(self) -> None:
        """Nothing more will be said."""
        if self._unheard:
            self._ring()

    def _ring(self) -> None:
        self._unheard = False
        self._ring_at = time.monotonic() + _RING_EVERY
        self._bell.notify(bytes((os.getpid() & 0xFF,)))
