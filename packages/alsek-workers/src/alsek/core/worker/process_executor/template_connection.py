"""The engine's connection to its template. If the template dies or hangs, the engine's process exits with it."""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import Any, Final, NoReturn

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.worker.process_executor.frames import FrameReader, pack
from alsek.core.worker.process_executor.template import FORK, SIGNAL

log = guarded_logger(__name__)

#: A template that has sent nothing for this time, although forks were requested, was stopped or hangs.
TEMPLATE_HANGS_MS: Final = 30_000
#: Exit code of an engine whose template has ended.
_EXIT_CODE: Final = 70


class TemplateConnection:
    """Sends requests to the template, and receives its events.

    Args:
        template: The socket.

    Attributes:
        descriptors: The sockets to the processes that have started, in the order of their events.
    """

    def __init__(self, template: socket.socket) -> None:
        self.descriptors: deque[int] = deque()
        self._template = template
        self._frames = FrameReader()
        self._last_event_at = 0

    def fileno(self) -> int:
        """Return a descriptor that is readable when the template has sent events."""
        return self._template.fileno()

    def request_fork(self, permits_index: int | None, *, first: bool) -> None:
        """Have a process forked.

        Args:
            permits_index: Passed to the process.
            first: No other fork is requested: the time of the template begins now.
        """
        if first:
            self._last_event_at = monotonic_ms()
        self._send(FORK, permits_index)

    def signal(self, pid: int, number: int) -> None:
        """Signal a process, if it has not exited."""
        self._send(SIGNAL, pid, int(number))

    def receive(self) -> list[tuple[Any, ...]]:
        """Return the events that have come. Waits if there are none."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._template, 65536, 64)
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            _exit("has died")
        self._last_event_at = monotonic_ms()
        self.descriptors.extend(descriptors)
        self._frames.feed(data)
        events: list[tuple[Any, ...]] = []
        while (event := self._frames.take()) is not None:
            events.append(event)
        return events

    @property
    def hangs_at(self) -> int:
        """When a template that was asked for a fork counts as hanging if it sends nothing (monotonic ms)."""
        return self._last_event_at + TEMPLATE_HANGS_MS

    def check(self, now: int) -> None:
        """Exit if a template that was asked for a fork hangs."""
        if now >= self.hangs_at:
            _exit("does not answer")

    def _send(self, *request: Any) -> None:
        try:
            self._template.sendall(pack(request))
        except (BrokenPipeError, ConnectionResetError):
            _exit("has died")


def _exit(how: str) -> NoReturn:
    log.critical("The template process %s: the engine ends with it, and both are started anew.", how)
    os._exit(_EXIT_CODE)
