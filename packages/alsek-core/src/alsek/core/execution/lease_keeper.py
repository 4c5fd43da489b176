"""Renewing the lease of a session in a thread, for as long as its process lives."""

from __future__ import annotations

import os
import threading

from alsek.core.execution.facts import HandedOut
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError, WorkerUnknownError

log = guarded_logger(__name__)


class LeaseKeeper:
    """Renews the lease of a session every third of it, in a thread, until it is stopped; then retires the worker.

    Args:
        session: A registered session. Its user registers it again if the lease has run out.
        handed_out: The messages that the session's user has: what the worker runs.
    """

    def __init__(self, session: WorkerSession, handed_out: HandedOut) -> None:
        self._session = session
        self._handed_out = handed_out
        self._stopped = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._keep, name="alsek-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the thread retire the worker and end. Does not wait for it. In a forked child there is no thread."""
        if os.getpid() == self._pid:
            self._stopped.set()

    def join(self) -> None:
        """Wait until the worker is retired."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.wait(self._session.worker.lease / 3000):
            try:
                for uuid in self._session.renew(self._handed_out.held(self._session.held)):
                    for token in self._handed_out.tokens_of(uuid):
                        self._session.note_revoked(token)
            except WorkerUnknownError:
                continue  # the session's user will register it again
            except BackendError as error:
                log.warning("The lease of worker %s could not be renewed: %s", self._session.worker.id, error)
        try:
            self._session.retire()
        except BackendError as error:
            log.warning(
                "What worker %s held is given back when its lease ends: %s", self._session.worker.id, error
            )
