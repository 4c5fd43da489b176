"""Exceptions as text: the only form in which they cross processes and stores."""

from __future__ import annotations

import traceback

from alsek.types import ExceptionDetails

#: A traceback longer than this keeps its beginning and its end.
_MOST_TEXT = 16_000


def describe_failure(error: BaseException) -> ExceptionDetails:
    """Name, text and traceback of an exception. Never raises, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001  a user's exception may fail to show itself
        text = f"<{type(error).__name__} whose text can't be had: {type(broken).__name__}>"
    trace: str | None = None
    if error.__traceback__ is not None:
        try:
            trace = "".join(traceback.format_exception(error))
        except Exception as broken:  # noqa: BLE001
            trace = f"<traceback can't be had: {type(broken).__name__}>"
    return {
        "name": type(error).__name__,
        "text": shortened(text),
        "traceback": shortened(trace) if trace is not None else None,
    }


def shortened(text: str) -> str:
    """`text`, without its middle if it is very long, and with nothing that JSON could not carry."""
    if len(text) > _MOST_TEXT:
        half = _MOST_TEXT // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()
