"""Log records as the lines that are kept with a message, as UTF-8 text.

One is ``2026-11-29T08:00:00.123Z INFO shop.tasks: half of it is done``. Its text is made by user code, which may raise
anything.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from alsek.core.failure import class_name, describe_failure
from alsek.defaults import MAX_LOG_LINE
from alsek.exceptions import MessageRevokedError, TaskTimeoutError

_LEFT_OUT: Final = " [\N{HORIZONTAL ELLIPSIS}] "


def line_of(record: logging.LogRecord) -> bytes:
    """Return a record as one line, which may have line breaks: its traceback is part of it.

    Of one that is longer than :data:`~alsek.defaults.MAX_LOG_LINE` characters the middle is left out.
    """
    text = f"{_time(record.created)} {record.levelname} {record.name}: {_text(record)}{_traceback(record)}"
    if record.stack_info:
        text = f"{text}\n{record.stack_info}"
    return wire(text)


def mark_of(attempt: int, host: str, pid: int, created: float) -> bytes:
    """Return the line that marks where the lines of an attempt begin.

    Args:
        attempt: 1 for the first.
        host: The machine on which it runs.
        pid: Its process.
        created: When its first line was logged: Unix seconds.
    """
    return wire(f"{_time(created)} INFO alsek: attempt {attempt}, in process {pid} on {host}")


def wire(text: str) -> bytes:
    """Return a text as it is kept: without its middle if it is too long, with surrogates escaped."""
    if len(text) > MAX_LOG_LINE:
        half = (MAX_LOG_LINE - len(_LEFT_OUT)) // 2
        text = f"{text[:half]}{_LEFT_OUT}{text[-half:]}"
    return text.encode("utf-8", "backslashreplace")


def _time(created: float) -> str:
    moment = datetime.fromtimestamp(created, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside
    except BaseException as error:  # noqa: BLE001  it is the user's
        said = record.msg if isinstance(record.msg, str) else class_name(record.msg)
        return f"{said} <text can't be had: {class_name(error)}>"


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_text:
        return f"\n{record.exc_text}"
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return ""
    details = describe_failure(error)
    return f"\n{(details['traceback'] or details['name']).rstrip()}"
