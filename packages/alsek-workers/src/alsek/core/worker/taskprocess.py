"""One process that runs tasks, and one job for it, as their engine sees them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

from alsek.core.worker.frames import Frames, pack
from alsek.storage.backends.records import Claimed, Outcome, Worker

_SEND_TIMEOUT = struct.pack("ll", 10, 0)  # a struct timeval


class ProcessJob:
    """One claim, from when it was handed out until the store has accepted what became of it."""

    __slots__ = (
        "charge",
        "child",
        "claimed",
        "deadline",
        "entry",
        "outcome",
        "repeated",
        "timeout",
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
        self.timeout = 0
        self.deadline = 0
        #: The exception that it is charged with: name and text.
        self.charge: tuple[str, str] | None = None
        self.verdict_wanted = False
        #: It was given to a second process, since the first died before it had read it.
        self.repeated = False


class TaskProcess:
    """A child of the template.

    Attributes:
        pid: Its process id.
        connection: To it.
        ready: Its start hooks have run.
        job: What it runs, or has run until the engine tells it the store's verdict.
        served: How many jobs it has run.
        alive: The template has not told of its end.
        let_go: Nothing more is expected of it but its end.
        unread: It died before it had read all that it was sent.
        doom: What its job is charged with once it has died: name and text of the exception.
        kill_at: When SIGKILL follows (monotonic ms); 0 for never.
    """

    def __init__(self, pid: int, connection: socket.socket, ready: bool) -> None:
        self.pid = pid
        self.connection = connection
        self.ready = ready
        self.job: ProcessJob | None = None
        self.served = 0
        self.alive = True
        self.let_go = False
        self.unread = False
        self.doom: tuple[str, str] | None = None
        self.kill_at = 0
        self._frames = Frames()
        # One that was stopped from outside takes nothing in: the engine must not wait for it for ever.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)

    def send(self, value: tuple[Any, ...]) -> None:
        """Send a frame. Nothing happens if it has died, but that :attr:`unread` says so.

        Raises:
            BlockingIOError: It takes nothing in.
        """
        try:
            self.connection.sendall(pack(value))
        except BlockingIOError:
            raise
        except OSError:
            self.unread = True

    def read(self) -> bool:
        """Take in what has come, without waiting; False if nothing more will."""
        while True:
            try:
                data = self.connection.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionResetError:  # what the kernel says when there was unread data at the other end
                self.unread = True
                return False
            except OSError:
                return False
            if not data:
                return False
            self._frames.feed(data)

    def said(self) -> Iterator[tuple[Any, ...]]:
        """What it has said, frame by frame.

        Raises:
            ValueError, EOFError, TypeError: Someone else has written to its socket.
        """
        while (value := self._frames.take()) is not None:
            yield value
