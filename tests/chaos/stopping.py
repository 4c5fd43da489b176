"""A judge that is told to stop ends all that its scenarios have started: pools, servers, proxies, disks."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn, Protocol

from tests.chaos import process_tree as processes

#: For how long (s) nothing may be left before the judge itself ends: a scenario may just have started a process.
_QUIET_S = 0.5

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Closable(Protocol):
    """What a scenario takes place on."""

    def close(self) -> None:
        """End whatever it has started."""


class Stopped(BaseException):
    """A signal has told the judge to stop.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


#: The stages that are not closed yet.
_open: list[Closable] = []
_stopping = threading.Event()


def opened(stage: Closable) -> None:
    """Have a stage closed if the judge is told to stop."""
    _open.append(stage)


def close(stage: Closable) -> None:
    """Close a stage."""
    stage.close()
    _open.remove(stage)


def raise_when_told_to_stop() -> None:
    """Raise :class:`Stopped` in the main thread on SIGTERM and SIGINT."""
    sys.addaudithook(_start_nothing_more)
    for number in _SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, _: Any) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def _start_nothing_more(event: str, _: tuple[Any, ...]) -> None:
    if not _stopping.is_set() or threading.current_thread() is threading.main_thread():
        return
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        raise RuntimeError("the judge stops")


def end_all(stopped: Stopped) -> NoReturn:
    """Close all stages, end by pid what is left below this process, and end it, with the exit code of the signal."""
    _stopping.set()  # the scenarios go on in their threads until this process ends
    for stage in _open:
        with contextlib.suppress(Exception):  # its scenario uses it; what this leaves is ended below
            stage.close()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < _QUIET_S:
        for pid in processes.tree(os.getpid())[1:]:
            processes.send(pid)
            quiet_since = time.monotonic()
        time.sleep(0.02)
    sys.stdout.flush()
    os._exit(128 + stopped.number)
