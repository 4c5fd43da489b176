"""Checks that the current process can run a pool (main thread, fork available, no other event loop)."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from typing import Final

from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend

#: Threads that end before this process forks: that of a checkpoint of the SQLite store.
_ENDED_BEFORE_FORK: Final = frozenset({"alsek-checkpoint"})


def check_process() -> None:
    """Check that this process can run a pool.

    Warns of threads that are running: they do not exist in forked children, while locks that they hold stay locked.

    Raises:
        ValidationError: It can't: no fork (Windows), not in the main thread, or patched by gevent or eventlet.
    """
    if not hasattr(os, "fork"):
        raise ValidationError("worker pools need Linux or macOS; on Windows, producers work and pools don't")
    if threading.current_thread() is not threading.main_thread():
        raise ValidationError("run() handles signals: call it in the main thread")
    if (patcher := _patched_by()) is not None:
        raise ValidationError(
            f"{patcher} has replaced this process's threads and sockets: a pool needs the real ones. Remove the call "
            "that patches them from the modules that the pool imports"
        )
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    others = [name for name in names if name not in _ENDED_BEFORE_FORK]
    if others:
        warnings.warn(
            f"threads run already ({', '.join(others)}): the pool's processes are forked without them. "
            "Start them in an on_worker_start hook instead.",
            RuntimeWarning,
            stacklevel=3,
        )


def _patched_by() -> str | None:
    """Return the name of the library that has patched ``threading``, or None."""
    for library, module, question, name in (
        ("gevent", "gevent.monkey", "is_module_patched", "threading"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    ):
        patched = getattr(sys.modules.get(module), question, None)
        if patched is not None and patched(name):
            return library
    return None


def check_backend(backend: Backend) -> None:
    """Check that the processes of a pool share the store.

    Raises:
        ValidationError: They don't.
    """
    if not backend.shared:
        raise ValidationError(
            f"{backend.describe()} is not shared between processes: a pool needs SQLite or Redis"
        )
