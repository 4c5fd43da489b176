"""Makes log handlers safe against timeouts that are raised in them.

A timeout is raised at any point of a task's thread, also within ``logging``. Before Python 3.13 log handlers acquire
their lock by a call, and only then enter a ``try``. An exception that is raised between the two leaves the lock
acquired, and the next thread that logs blocks for ever, the engine's included. ``with lock`` has no such gap.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def guard_handlers() -> None:
    """Make the handlers of this process acquire their locks by ``with``. Does nothing from Python 3.13 on."""
    if sys.version_info >= (3, 13):
        return
    logging.Handler.handle = _handle  # type: ignore[method-assign]
    logging.StreamHandler.flush = _flush  # type: ignore[method-assign,assignment]


def _locked(handler: logging.Handler) -> AbstractContextManager[Any]:
    return handler.lock if handler.lock is not None else nullcontext()


def _handle(self: logging.Handler, record: logging.LogRecord) -> bool:
    passes: Any = self.filter(record)
    if isinstance(passes, logging.LogRecord):  # from 3.12 on a filter may give another record
        record = passes
    if passes:
        with _locked(self):
            self.emit(record)
    return bool(passes)


def _flush(self: logging.StreamHandler[Any]) -> None:
    with _locked(self):
        if self.stream and hasattr(self.stream, "flush"):
            self.stream.flush()
