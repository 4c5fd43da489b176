"""Exceptions as text: the only form in which they cross processes and stores.

An exception is the user's code: its class, its metaclass, its ``__str__``. Nothing that these raise leaves this module,
``SystemExit`` included.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

from alsek.types import ExceptionDetails

#: A traceback longer than this keeps its beginning and its end.
_MOST_TEXT = 16_000
#: The name of a class, past what its metaclass makes of it.
_NAME_OF_CLASS: Final[Any] = type.__dict__["__name__"]


def describe_failure(error: BaseException) -> ExceptionDetails:
    """Name, text and traceback of an exception. Never raises, whatever its ``__str__`` does."""
    name = class_name(error)
    trace = _had(f"<traceback of {name} can't be had", lambda: _formatted(error))
    return {
        "name": name,
        "text": shortened(_had(f"<{name} whose text can't be had", lambda: str(error))),
        "traceback": shortened(trace) or None,
    }


def class_name(thing: object) -> str:
    """The name of the class of `thing`. Never raises."""
    return str.__str__(_NAME_OF_CLASS.__get__(type(thing)))


def qualified_name(thing: object) -> str:
    """The qualified name of a function or method, or what there is instead. Never raises."""
    name = _had(
        f"<{class_name(thing)} without a name", lambda: getattr(thing, "__qualname__", None) or repr(thing)
    )
    return shortened(name)


def shortened(text: str) -> str:
    """`text`, without its middle if it is very long, and with nothing that JSON could not carry."""
    if len(text) > _MOST_TEXT:
        half = _MOST_TEXT // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


def _had(otherwise: str, make: Callable[[], str]) -> str:
    """What `make` returns, as plain text; if it raises, the stand-in, with the name of what was raised."""
    try:
        return str.__str__(make())
    except BaseException as broken:  # noqa: BLE001  the text of an exception must not end a process
        return f"{otherwise}: {class_name(broken)}>"


def _formatted(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) if error.__traceback__ is not None else ""
