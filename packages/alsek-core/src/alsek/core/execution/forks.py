"""What the user's code forks, and what comes back from it.

A task or a hook may call ``os.fork()``, and its child may return from the user's code, or raise. It is no worker: it
must run no hook, report nothing and take no message. So whoever calls the user's code in a pool looks at
:data:`forked` afterwards, and ends what is a child by :func:`leave`, as Python ends a program: with status 0, with that
of ``sys.exit``, or with 1 and a traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

#: Whether this process was forked by code of the user's. Set by a pool's fork handler (see ``alsek.core.worker``).
forked = False


def check(error: BaseException | None = None) -> None:
    """End this process if it was forked by code of the user's, which has returned, or raised `error`."""
    if forked:
        leave(error)


def leave(error: BaseException | None = None) -> NoReturn:
    """End this process as Python ends a program whose code has returned, or raised `error`; without exit handlers."""
    status = 1
    try:
        status = _status_of(error)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(
                OSError, ValueError, AttributeError
            ):  # closed; or None, where there is none
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
