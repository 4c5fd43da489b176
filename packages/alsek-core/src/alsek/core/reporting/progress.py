"""Progress: how far a running task is."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NamedTuple

from alsek.core.failure import class_name
from alsek.core.short_repr import shown
from alsek.exceptions import MessageRevokedError, TaskTimeoutError, ValidationError
from alsek.storage.backends.records import ReportRecord

#: The longest text that is kept, in characters.
LONGEST_TEXT: Final = 1_000
#: Greater integers are kept as floating point numbers.
_MOST_BITS: Final = 63


class Progress(NamedTuple):
    """How far a running task is, as it has last said.

    Attributes:
        current: How much is done, in units of the task's own. It may be more than `total`.
        total: How much there is to do; None if that is not known.
        text: What the task says besides; empty if nothing.
    """

    current: float
    total: float | None = None
    text: str = ""

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None if that is not known."""
        if not self.total:
            return None
        return min(1.0, self.current / self.total)


def checked_progress(current: Any, total: Any, text: Any) -> Progress:
    """Return progress as a task has given it, as plain numbers and text. Text that is too long is cut.

    Raises:
        ValidationError: A number is none, negative, infinite, or not a number.
    """
    return Progress(
        _number("current", current),
        None if total is None else _number("total", total),
        text if type(text) is str and len(text) <= LONGEST_TEXT and text.isascii() else _text(text),
    )


def progress_to_wire(progress: Progress) -> bytes:
    """Return progress as a store keeps it: JSON."""
    return json.dumps(progress._asdict()).encode()


def progress_from_wire(data: bytes) -> Progress | None:
    """Return the progress of which :func:`progress_to_wire` made these bytes; None if they are something else."""
    try:
        told = json.loads(data)
        return checked_progress(told["current"], told.get("total"), told.get("text", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
        return None


def progress_in(record: ReportRecord | None) -> Progress | None:
    """Return the progress that a store keeps of a message; None if there is none that can be read."""
    if record is None or record.progress is None:
        return None
    return progress_from_wire(record.progress)


def _number(name: str, value: Any) -> float:
    """Return a number as an int or float, whatever its class; with what numpy calls a number, for example."""
    if type(value) is int and 0 <= value < 2**_MOST_BITS:
        return value
    try:
        plain = _plain(value)
        if math.isfinite(plain) and plain >= 0:
            return plain
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside
    except Exception as error:
        raise _refusal(name, value) from error
    raise _refusal(name, value)


def _plain(value: Any) -> float:
    if isinstance(value, str | bytes | bytearray):
        raise TypeError("text is no number")
    index = getattr(type(value), "__index__", None)
    if index is not None:
        whole = int(index(value))
        return whole if whole.bit_length() <= _MOST_BITS else float(whole)
    return float(value)


def _refusal(name: str, value: Any) -> ValidationError:
    return ValidationError(f"progress({name}={shown(value)}): must be a number >= 0, and finite")


def _text(value: Any) -> str:
    try:
        text = str.__str__(value if isinstance(value, str) else str(value))
    except (TaskTimeoutError, MessageRevokedError):
        raise  # as above
    except Exception:  # noqa: BLE001  it is the user's
        text = f"<{class_name(value)} whose text can't be had>"
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT - 1]}…"
    return text.encode("utf-8", "backslashreplace").decode()
