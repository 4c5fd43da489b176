"""The warning about a duration that looks like seconds, although all of them are milliseconds."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Final

from alsek.exceptions import SecondsWarning

#: A timeout of a task, or how long something is kept, is hardly ever less than this.
LEAST_LIFETIME_MS: Final = 1_000

#: A delay, or how long a caller waits, is often less than a second, but hardly ever less than this.
LEAST_WAIT_MS: Final = 100

#: What was warned of already: the name of the duration, and where it was given.
_warned: set[tuple[str, str]] = set()


def warn_of_seconds(name: str, value: Any, least: int, where: str) -> None:
    """Warn, once for each name and place, if a number of milliseconds is so small that it may be meant as seconds.

    A timedelta says its unit, and 0 is the same in each: neither is warned of. So pass what the caller gave.

    Args:
        name: Of the duration.
        value: What was given. Anything but a positive integer is left to the checks.
        least: :data:`LEAST_LIFETIME_MS` or :data:`LEAST_WAIT_MS`.
        where: The object or the call that it was given to.
    """
    if type(value) is not int or not 0 < value < least or (name, where) in _warned:
        return
    _warned.add((name, where))
    warnings.warn(
        f"{name}={value} of {where} means {value} milliseconds, which looks like seconds: give {1_000 * value} for "
        f"{value} s; a timedelta says its unit, so that this warning is not given",
        SecondsWarning,
        stacklevel=_caller(),
    )


def _caller() -> int:
    """Return the stack level, as :func:`warn_of_seconds` needs it, of the nearest caller outside of Alsek."""
    level = 0
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == "alsek":
        frame = frame.f_back
        level += 1
    return level
