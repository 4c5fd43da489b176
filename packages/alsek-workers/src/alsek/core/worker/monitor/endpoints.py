"""The sockets on which a pool's monitor listens: bound before the first fork, and kept when it is started again."""

from __future__ import annotations

import socket

from alsek.core.loggers import guarded_logger
from alsek.core.worker.monitor.addresses import Address, listen
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.monitor import Monitor
from alsek.core.worker.monitor.prometheus import check_installed
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend

log = guarded_logger(__name__)


class Endpoints:
    """Where metrics and health are served. One socket serves both if both addresses are the same.

    Args:
        metrics: Where to serve metrics; None for not at all.
        health: Where to serve health; None for not at all.

    Raises:
        ValidationError: An address can't be listened on, or prometheus-client is missing.
    """

    def __init__(self, metrics: Address | None, health: Address | None) -> None:
        if metrics is not None:
            check_installed()
        self._health: socket.socket | None = None
        self._metrics = None if metrics is None else listen("metrics_port", metrics)
        if health is not None and health == metrics and health.port:
            self._health = self._metrics
        elif health is not None:
            try:
                self._health = listen("health_port", health)
            except ValidationError:
                self.close()
                raise
        for what, listening in (("metrics", self._metrics), ("health", self._health)):
            if listening is not None:
                log.info("Serving %s on port %d.", what, listening.getsockname()[1])

    @property
    def _sockets(self) -> list[socket.socket]:
        return [each for each in (self._metrics, self._health) if each is not None]

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors that all children but the monitor must close."""
        return list({each.fileno() for each in self._sockets})

    def monitor(self, backend: Backend, queues: tuple[str, ...] | None, channel: Channel) -> Monitor:
        """Return what runs in a monitor's process.

        Args:
            backend: The pool's store.
            queues: The pool's queues; None for all.
            channel: Brings what the other processes say.
        """
        return Monitor(backend, queues, channel, self._metrics, self._health)

    def close(self) -> None:
        """Close the sockets in this process."""
        for each in self._sockets:
            each.close()
