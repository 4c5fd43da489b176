"""Asking the store, in a thread of the monitor, if it answers and how many messages its queues hold."""

from __future__ import annotations

import threading
from typing import Final

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.loggers import guarded_logger
from alsek.core.worker.monitor.pool_view import STORE_CALL_MS, PoolView
from alsek.exceptions import BackendError
from alsek.storage.backends.abstract import Backend

log = guarded_logger(__name__)

#: How often the store is asked if it answers.
_PING_EVERY_S: Final = 1.0
#: How often the queues are counted.
COUNT_EVERY_MS: Final = 5_000
#: If that takes long, it is done less often: in one part of so many of the time.
_PARTS: Final = 20


class StoreWatch:
    """Asks the store once a second.

    Args:
        backend: The store.
        queues: The queues to count; None for all.
        view: Is told the answers.
        counts: Count the queues.
    """

    def __init__(
        self, backend: Backend, queues: tuple[str, ...] | None, view: PoolView, *, counts: bool
    ) -> None:
        self._backend = backend.within(STORE_CALL_MS)
        self._queues = queues
        self._view = view
        self._counts = counts
        self._count_at = 0
        self._trouble = ""

    def start(self) -> None:
        """Start the thread, which runs for as long as the process does."""
        threading.Thread(target=self._run, name="alsek-store-watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.look()
            real_time.sleep(_PING_EVERY_S)

    def look(self) -> None:
        """Ask once."""
        try:
            self._backend.ping()
        except BackendError as error:
            self._count_at = 0  # as soon as it is back
            self._view.on_store(str(error))
            return
        except (
            Exception
        ) as error:  # a backend of the user's own may raise anything: the pool is not ready then
            log.exception("The monitor could not ask the store if it answers.")
            self._view.on_store(f"the store could not be asked: {error!r}")
            return
        self._view.on_store()
        if self._counts and monotonic_ms() >= self._count_at:
            self._count_queues()

    def _count_queues(self) -> None:
        began = monotonic_ms()
        try:
            self._view.on_tallies(self._backend.messages.tallies(self._queues))
            self._trouble = ""
        except Exception as error:  # noqa: BLE001  as above
            self._view.on_tallies(None)
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("The monitor can't count the messages of the queues: %r", error)
        took = monotonic_ms() - began
        self._count_at = began + max(COUNT_EVERY_MS, _PARTS * took)
