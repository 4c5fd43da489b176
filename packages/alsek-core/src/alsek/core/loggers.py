"""The loggers of Alsek's own modules: what a handler, filter, formatter or record factory raises ends in them.

Handlers and filters are the user's code. They are called in the middle of whatever logs: between a failed task and its
retry, in the loop that renews leases. An exception from there must change nothing. So no module of Alsek calls
``logging.getLogger``: each takes its logger from :func:`guarded_logger`.

Two kinds of exception pass, because they are not the handler's: a timeout and a revocation, which are raised in a
task's thread wherever that is. ``KeyboardInterrupt`` and ``SystemExit`` pass as well, because a program's own signal
handlers raise them, except in a pool (see :func:`exits_caught`).
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
    """Logs to the logger of a name, whatever its class, and raises nothing that a handler has raised."""

    #: What is caught.
    catches: ClassVar[type[BaseException]] = Exception

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As :meth:`logging.Logger.log`; what fails is told on standard error, and the record is lost."""
        try:
            if self.logger.isEnabledFor(level):
                # This method is one frame between the caller and the logger.
                kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
                self.logger.log(level, msg, *args, **kwargs)
        except (TaskTimeoutError, MessageRevokedError):
            raise
        except GuardedLogger.catches as error:
            _tell(f"{logging.getLevelName(level)} {self.logger.name}: {_text(msg, args)}", error)


def guarded_logger(name: str) -> GuardedLogger:
    """The logger for a module of Alsek."""
    return GuardedLogger(logging.getLogger(name), {})  # noqa: TID251  the only place that may


@contextlib.contextmanager
def exits_caught() -> Generator[None]:
    """Let no handler exit, either, in this process and those that are forked from it meanwhile.

    For a pool, in whose processes no signal handler raises anything.
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


def _tell(what: str, error: BaseException) -> None:
    """Say on standard error which record is lost and why, as :meth:`logging.Handler.handleError` does."""
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
        pass  # there is nowhere left to tell it
