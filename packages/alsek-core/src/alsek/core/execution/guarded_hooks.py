"""Calling the user's hooks so that their failures are logged and change nothing; what logs say of a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.failure import qualified_name
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message

log = guarded_logger(__name__)


def call_guarded(
    hook: Callable[..., Any], about: Delivery | Message, message: Message, *details: Any
) -> None:
    """Call a hook; an exception that it raises is logged.

    Args:
        hook: What to call.
        about: What the log line names.
        message: The hook's first argument.
        details: Its other arguments.
    """
    try:
        hook(message, *details)
    except BaseException as error:
        forks.check(error)
        log.exception(
            "%s failed for %s.",
            qualified_name(hook),
            about.summary,
            extra=log_context(about),
        )
    if forks.forked:
        forks.leave()


def log_context(message: Message | Delivery) -> dict[str, str]:
    """Return the `extra` of a log record about a message."""
    return {"uuid": message.uuid, "task": message.task_name, "queue": message.queue}
