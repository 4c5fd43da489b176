"""The two signals that end a pool: the first lets running tasks finish, the second does not."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

#: A second signal counts as one only this long after the first: terminals and process managers often send two at once.
_APART = 1.0


class StopSignals:
    """SIGTERM, SIGINT and SIGHUP, counted, for a loop over ``select``. The handlers only set flags.

    Attributes:
        stopping: The first has come.
        at_once: The second has come.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.at_once = False
        self._first_at = 0.0
        self._out, self._in = os.pipe()
        for descriptor in (self._out, self._in):
            os.set_blocking(descriptor, False)
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> StopSignals:
        self._wakeup_before = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._out)
        os.close(self._in)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return  # the wake-up is all that is wanted
        if not self.stopping:
            self.stopping = True
            self._first_at = time.monotonic()
        elif time.monotonic() - self._first_at >= _APART:
            self.at_once = True

    def fileno(self) -> int:
        """Readable when a signal has come, one of a child's death included."""
        return self._out

    @property
    def descriptors(self) -> tuple[int, int]:
        """What a child must not keep."""
        return self._out, self._in

    def drain(self) -> None:
        """Take in what made :meth:`fileno` readable."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._out, 4096):
                pass
