"""Ending processes that the user's code has forked and that return from it.

A task or a hook may call ``os.fork()``, and the child may return from the user's code, or raise. It is no worker: it
must run no hook, report nothing and claim no message. So a pool checks :data:`forked` after each call of the user's
code, and a child ends by :func:`leave`, as a Python program ends: with status 0, with that of ``sys.exit``, or with 1
and a traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

#: True if the user's code has forked this process. Set by a pool's fork handler (see ``alsek.core.worker``).
forked = False


def check(error: BaseException | None = None) -> None:
    """End this process if the user's code has forked it, after that code has returned or raised `error`."""
    if forked:
        leave(error)


def leave(error: BaseException | None = None) -> NoReturn:
    """End this process as a program that has returned or raised `error`, without running exit handlers."""
    status = 1
    try:
        status = _status_of(error)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
                stream.flush()
    finally:
        os._exit(status)


def _status_of(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        if isinstance(error.code, int):
            return error.code & 0xFF
        sys.stderr.write(f"{error.code}\n")
        return 1
    sys.excepthook(type(error), error, error.__traceback__)
    return 1
