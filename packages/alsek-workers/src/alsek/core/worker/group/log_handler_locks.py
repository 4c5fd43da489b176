"""Logging that a timeout can't break.

A timeout is raised in a task's thread wherever that is, also in ``logging``. Before Python 3.13 its handlers take
their lock by a call and only then enter a ``try``: an exception raised between the two leaves the lock taken for ever,
and whoever logs next waits for ever, the engine included. ``with lock`` has no such gap.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def guard_handlers() -> None:
    """Have the handlers of this process hold their locks by ``with``; nothing to do where they do so already."""
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
