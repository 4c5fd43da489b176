"""What the processes of a pool do with signals, whatever their parent or the user's modules have set before.

A supervisor counts the signals that stop a pool: the first lets running tasks finish, the second does not. The
processes below it leave SIGINT and SIGHUP to it. Some programs start others with SIGINT or SIGHUP ignored (``nohup``,
``&`` in a script): then these stay ignored, in every process. SIGTERM always stops a pool.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any, Final

from alsek.core.clock import real_time as time

#: A second signal counts as one only this long after the first: terminals and process managers often send two at once.
_APART = 1.0

#: A signal that is sent to every process of a pool has reached all of them after this time.
STOP_REACHES_ALL_MS = 500

#: A terminal sends these to every process of a pool, and whoever starts a pool may have them ignored.
_OF_TERMINALS: Final = (signal.SIGINT, signal.SIGHUP)
#: None of these may be blocked in a process of a pool.
_SEEN: Final = (signal.SIGTERM, signal.SIGCHLD, *_OF_TERMINALS)


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
        self._mask_before: set[int | signal.Signals] = set()

    def __enter__(self) -> StopSignals:
        self._wakeup_before = signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD, *filter(_is_heeded, _OF_TERMINALS)):
            self._before[number] = signal.signal(number, self._handle)
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SEEN)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            if handler is not None:  # else it was not set by Python, and can't be by Python
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)
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


def reset_signals() -> None:
    """In a process that was just forked: nothing that its parent handles is handled."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, *filter(_is_heeded, _OF_TERMINALS)):
        signal.signal(number, signal.SIG_DFL)


def leave_stop_to_supervisor() -> None:
    """In a process below a supervisor: survive what a terminal sends to all; a closed pipe or socket is an exception.

    Also after the user's hooks have run, which may have set handlers and masks of their own.
    """
    # Not SIG_IGN: the programs that a task starts would inherit it.
    for number in filter(_is_heeded, _OF_TERMINALS):
        signal.signal(number, ignore_signal)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SEEN)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing. Unlike SIG_IGN it is not inherited by programs that a task starts."""


def _is_heeded(number: int) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN
