"""Calling a function in a background thread for as long as the program runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

from alsek.core.loggers import guarded_logger

log = guarded_logger(__name__)

#: The most calls that wait while one takes long; further requests are dropped.
_MOST_WAITING: Final = 10


class Background:
    """Calls a function once for each request, one call after the other, in a daemon thread.

    The thread ends with the interpreter, at once and silently: a thread of :mod:`concurrent.futures` would keep the
    interpreter from exiting during a call, and would refuse requests as soon as the exit has begun, while other
    threads still run. In a forked child there is no such thread, and requests do nothing.

    Args:
        function: The function to call. An exception that it raises is logged.
        name: The name of the thread.
    """

    def __init__(self, function: Callable[[], object], name: str) -> None:
        self._function = function
        self._name = name
        self._requests: queue.Queue[bool] = queue.Queue(_MOST_WAITING)
        self._stopped = False
        self._drop_waiting = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def request(self) -> None:
        """Let the thread call the function soon. Returns at once."""
        try:
            self._requests.put_nowait(True)
        except queue.Full:
            log.warning("%s: %d calls are waiting already; left one out.", self._name, _MOST_WAITING)

    def stop(self, *, drop_waiting: bool = True) -> None:
        """Let the thread end. Returns at once; a call that runs goes on.

        Args:
            drop_waiting: Drop the calls that wait; if False, they are made first.
        """
        self._stopped = True
        self._drop_waiting = drop_waiting
        try:
            self._requests.put_nowait(False)
        except queue.Full:
            pass  # the thread sees `_stopped` after the last call

    def _run(self) -> None:
        while self._requests.get() and not (self._stopped and self._drop_waiting):
            try:
                self._function()
            except Exception:  # later calls are made all the same
                log.exception("%s failed.", self._name)
            if self._stopped and self._requests.empty():
                return
