"""Exceptions as text, the only form in which they are sent to other processes and stores.

The class, the metaclass and the ``__str__`` of an exception may be the user's code. Whatever these raise is caught in
this module, ``SystemExit`` included.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

from alsek.types import ExceptionDetails

#: Longer texts are cut to their beginning and end.
_MOST_TEXT = 16_000
#: Reads the name of a class without calling its metaclass.
_NAME_OF_CLASS: Final[Any] = type.__dict__["__name__"]


class TracebackText(str):
    """A traceback as the last argument of a log line: formatters may show it apart from the line's own text."""

    __slots__ = ()


def describe_failure(error: BaseException) -> ExceptionDetails:
    """Return the name, text and traceback of an exception. Never raises, whatever its ``__str__`` does."""
    name = class_name(error)
    trace = _had(f"<traceback of {name} can't be had", lambda: _formatted(error))
    return {
        "name": name,
        "text": shortened(_had(f"<{name} whose text can't be had", lambda: str(error))),
        "traceback": shortened(trace) or None,
    }


def class_name(thing: object) -> str:
    """Return the name of the class of `thing`. Never raises."""
    return str.__str__(_NAME_OF_CLASS.__get__(type(thing)))


def qualified_name(thing: object) -> str:
    """Return the qualified name of a function or method, or its repr if it has none. Never raises."""
    name = _had(
        f"<{class_name(thing)} without a name", lambda: getattr(thing, "__qualname__", None) or repr(thing)
    )
    return shortened(name)


def shortened(text: str) -> str:
    """Return `text` without its middle if it is very long, and with surrogates escaped, which UTF-8 can't encode."""
    if len(text) > _MOST_TEXT:
        half = _MOST_TEXT // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


def _had(otherwise: str, make: Callable[[], str]) -> str:
    """Return the text that `make` returns; if it raises, `otherwise` with the name of the exception."""
    try:
        return str.__str__(make())
    except BaseException as broken:  # noqa: BLE001  the text of an exception must not end a process
        return f"{otherwise}: {class_name(broken)}>"


def _formatted(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) if error.__traceback__ is not None else ""
