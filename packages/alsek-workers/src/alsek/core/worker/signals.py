"""Signal handling in the processes of a pool, whatever their parent or user code has set before.

A supervisor counts the signals that stop a pool: the first lets running tasks finish, the second does not. The
processes below it leave SIGINT and SIGHUP to it. A program may be started with SIGINT or SIGHUP ignored (``nohup``,
``&`` in a script): then these stay ignored, in every process. SIGTERM always stops a pool.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from alsek.core.clock import monotonic_ms
from alsek.core.wakeup_pipe import WakeupPipe

#: What ``signal`` is made of, without conversions to and from enums: those run a dozen functions, and a process that
#: was just forked copies the pages of each.
_raw: Final[Any] = sys.modules.get("_signal", signal)
set_handler: Final[Callable[..., Any]] = _raw.signal
set_mask: Final[Callable[..., Any]] = _raw.pthread_sigmask
DEFAULT_HANDLER: Final[int] = int(signal.SIG_DFL)
CHILD_ENDED: Final[int] = int(signal.SIGCHLD)
TERMINATION: Final[int] = int(signal.SIGTERM)
BLOCK: Final[int] = int(signal.SIG_BLOCK)
UNBLOCK: Final[int] = int(signal.SIG_UNBLOCK)
SET_MASK: Final[int] = int(signal.SIG_SETMASK)

#: A signal that is sent to every process of a pool has reached all of them after this time.
STOP_REACHES_ALL_MS = 500
#: A second signal counts only this long after the first: terminals and process managers often send two at once.
_APART_MS: Final = 1_000

#: A terminal sends these to every process of a pool. They may have been ignored before the pool was started.
_OF_TERMINALS: Final = (signal.SIGINT, signal.SIGHUP)
#: None of these may be blocked in a process of a pool.
_UNBLOCKED: Final = (signal.SIGTERM, signal.SIGCHLD, *_OF_TERMINALS)


class StopSignals:
    """Counts SIGTERM, SIGINT and SIGHUP for a loop over ``select``. The handlers only set flags.

    Args:
        clock: Returns monotonic ms.

    Attributes:
        stopping: The first signal has come.
        at_once: The second signal has come.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self.stopping = False
        self.at_once = False
        self._clock = clock
        self._first_at = 0
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._mask_before: set[int | signal.Signals] = set()

    def __enter__(self) -> StopSignals:
        self._wakeup = WakeupPipe()
        self._wakeup_before = signal.set_wakeup_fd(self._wakeup.writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD, *filter(_is_heeded, _OF_TERMINALS)):
            self._before[number] = signal.signal(number, self._handle)
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _UNBLOCKED)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            if handler is not None:  # else it was not set by Python, and can't be set by Python
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)
        self._wakeup.close()

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGCHLD:
            return  # it only has to wake the loop
        if not self.stopping:
            self.stop()
        elif self._clock() - self._first_at >= _APART_MS:
            self.at_once = True

    def stop(self) -> None:
        """Stop the pool as the first signal does."""
        self.stopping = True
        self._first_at = self._clock()

    def fileno(self) -> int:
        """Return a descriptor that is readable when a signal has come, SIGCHLD included."""
        return self._wakeup.fileno()

    @property
    def descriptors(self) -> tuple[int, int]:
        """The file descriptors that a child must close."""
        return self._wakeup.reader, self._wakeup.writer

    def drain(self) -> None:
        """Read what made :meth:`fileno` readable."""
        self._wakeup.drain()


def reset_signals() -> None:
    """Restore default handlers in a process that was just forked."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, *filter(_is_heeded, _OF_TERMINALS)):
        signal.signal(number, signal.SIG_DFL)


def leave_stop_to_supervisor() -> None:
    """Set up a process below a supervisor: it survives signals of a terminal, and a closed pipe is an exception.

    Called again after the user's hooks, which may have set handlers and masks.
    """
    # Not SIG_IGN: programs that a task starts would inherit it.
    for number in filter(_is_heeded, _OF_TERMINALS):
        signal.signal(number, ignore_signal)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _UNBLOCKED)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN, a handler is not inherited by programs that a task starts."""


def _is_heeded(number: int) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN
