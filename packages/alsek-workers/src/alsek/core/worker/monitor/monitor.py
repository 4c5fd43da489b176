"""What runs in the monitor's process.

It runs no user code. Threads answer requests and ask the store; the first thread takes in what the other processes of
the pool say. None of them waits for the monitor, and it may be killed at any time: the supervisor starts another.
"""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.http_server import Answer, Page, serve
from alsek.core.worker.monitor.pool_view import PoolView
from alsek.core.worker.monitor.prometheus import exposition
from alsek.core.worker.monitor.store_watch import StoreWatch
from alsek.core.worker.signals import ignore_signal, leave_stop_to_supervisor
from alsek.storage.backends.abstract import Backend

_OK: Final = b"ok\n"


class Monitor:
    """Serves the metrics and the health of a pool.

    Args:
        backend: The pool's store.
        queues: The pool's queues; None for all.
        channel: Brings what the other processes say.
        metrics: Where to serve metrics; None for not at all.
        health: Where to serve health; None for not at all. May be the same socket.
    """

    def __init__(
        self,
        backend: Backend,
        queues: tuple[str, ...] | None,
        channel: Channel,
        metrics: socket.socket | None,
        health: socket.socket | None,
    ) -> None:
        self._backend = backend
        self._queues = queues
        self._channel = channel
        self._metrics = metrics
        self._health = health
        self.view = PoolView()

    @property
    def _pages(self) -> dict[socket.socket, dict[str, Page]]:
        """The pages on each socket."""
        pages: dict[socket.socket, dict[str, Page]] = {}
        if self._metrics is not None:
            pages.setdefault(self._metrics, {})["/metrics"] = self._metrics_page
        if self._health is not None:
            pages.setdefault(self._health, {}).update(
                {
                    "/live": lambda _: _health(self.view.why_not_alive),
                    "/ready": lambda _: _health(self.view.why_not_ready),
                }
            )
        return pages

    def _metrics_page(self, accept: str) -> Answer:
        body, content_type = exposition(self.view, accept)
        return Answer(HTTPStatus.OK, body, content_type)

    def main(self, inherited: ParentPipes) -> int:
        """Serve until the supervisor ends this process, or has ended."""
        leave_stop_to_supervisor()
        # A service manager may send SIGTERM to every process at once: this one tells that the pool drains.
        signal.signal(signal.SIGTERM, ignore_signal)
        StoreWatch(self._backend, self._queues, self.view, counts=self._metrics is not None).start()
        for listening, pages in self._pages.items():
            serve(listening, pages)
        poll = select.poll()
        poll.register(inherited.lifeline, select.POLLIN)
        poll.register(self._channel.reader, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if inherited.lifeline in ready:
                return 0
            told = self._channel.receive()
            if told is not None:
                self.view.take(told)


def _health(why_not: Callable[[], str]) -> Answer:
    if reason := why_not():
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}\n".encode())
    return Answer(HTTPStatus.OK, _OK)
