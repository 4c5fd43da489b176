"""What ends a program, raised on the event loop of a worker by nothing that is awaited: the loop goes on."""

from __future__ import annotations

from alsek.core.execution import forks
from alsek.core.loggers import guarded_logger

log = guarded_logger(__name__)


def log_exit(error: BaseException) -> None:
    """Log what a callback has raised, or a coroutine that a task has left behind, perhaps long ago."""
    forks.check(error)
    log.error("A callback on the event loop raised what ends a program: the loop goes on.", exc_info=error)
