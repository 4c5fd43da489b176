"""Loggers that catch what a handler, filter, formatter or record factory raises.

Handlers and filters are the user's code, and run wherever Alsek logs: between a failed task and its retry, for example,
or in the loop that renews leases. An exception from there must change nothing. So no module of Alsek calls
``logging.getLogger``: each takes its logger from :func:`guarded_logger`.

Two kinds of exception are not caught, because they are not the handler's: a timeout and a revocation, which are raised
in a task's thread at any moment. ``KeyboardInterrupt`` and ``SystemExit`` are not caught either, because a program's
own signal handlers raise them, except in a pool (see :func:`exits_caught`).
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Generator
from typing import Any, ClassVar

from alsek.core.failure import describe_failure
from alsek.exceptions import MessageRevokedError, TaskTimeoutError


class GuardedLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs to the logger of a name, whatever its class, and catches what handlers raise."""

    #: The exceptions that are caught.
    catches: ClassVar[type[BaseException]] = Exception

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Like :meth:`logging.Logger.log`; a failure is written to standard error, and the record is lost."""
        try:
            if self.logger.isEnabledFor(level):
                # One more, for the frame of this method.
                kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
                self.logger.log(level, msg, *args, **kwargs)
        except (TaskTimeoutError, MessageRevokedError):
            raise
        except GuardedLogger.catches as error:
            _write_lost(f"{logging.getLevelName(level)} {self.logger.name}: {_text(msg, args)}", error)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  the name of the standard library
        """Return True if a record of this level would be logged; False if the user's logger fails to say so."""
        try:
            return self.logger.isEnabledFor(level)
        except (TaskTimeoutError, MessageRevokedError):
            raise
        except GuardedLogger.catches:
            return False


def guarded_logger(name: str) -> GuardedLogger:
    """Return the logger for a module of Alsek."""
    return GuardedLogger(logging.getLogger(name), {})  # noqa: TID251  the only place that may


@contextlib.contextmanager
def exits_caught() -> Generator[None]:
    """Catch SystemExit and KeyboardInterrupt from handlers as well, in this process and those forked from it.

    For pools: in their processes no signal handler raises anything.
    """
    before, GuardedLogger.catches = GuardedLogger.catches, BaseException
    try:
        yield
    finally:
        GuardedLogger.catches = before


def _text(msg: object, args: tuple[object, ...]) -> str:
    try:
        return str(msg) % args if args else str(msg)
    except GuardedLogger.catches as error:
        return f"{msg!r}" if isinstance(msg, str) else f"<text can't be had: {type(error).__name__}>"


def _write_lost(what: str, error: BaseException) -> None:
    """Write to standard error which record is lost and why, as :meth:`logging.Handler.handleError` does."""
    if not logging.raiseExceptions or sys.stderr is None:
        return
    failure = describe_failure(error)
    try:
        sys.stderr.write(
            f"--- A log handler, filter or formatter has failed, and this record is lost ---\n{what}\n"
            f"{failure['traceback'] or ''}"
        )
        sys.stderr.flush()
    except GuardedLogger.catches:
        pass  # there is nowhere left to write it
