"""Interruptions: exceptions that are set in this thread from outside while redis-py runs.

The timeout of a task is one, :class:`~alsek.exceptions.TaskTimeoutError`. It is a ``TimeoutError``, so an ``OSError``,
and redis-py takes it for an error of the network: it raises its own error, with the interruption as its context. So
code that catches an error of redis-py's looks for an interruption there, and raises that instead: the call is not
repeated, and no outage is reported.

An older exception that the caller is handling is in the same chain, but is not an interruption. The difference: an
interruption was caught by redis-py, so its traceback begins there.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from alsek.exceptions import AlsekError, BackendError

_STANDARD: Final = frozenset(("builtins", "socket", "ssl", "select"))


def let_through(error: BaseException) -> None:
    """Raise the interruption behind this error, if there is one.

    Raises:
        BaseException: The interruption.
    """
    interruption = interruption_behind(error)
    if interruption is not None:
        raise interruption from None


def interruption_behind(error: BaseException) -> BaseException | None:
    """The interruption that this error is, or was caused by; None if there is none."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if _is_foreign(link) and (link is error or _was_caught_by_redis_py(link)):
            return link
        link = link.__cause__ or link.__context__
    return None


def _is_foreign(error: BaseException) -> bool:
    """Whether neither redis-py nor the operating system raises such an error."""
    if isinstance(error, AlsekError):
        return not isinstance(error, BackendError)
    return (
        isinstance(error, OSError)
        and not isinstance(error, RedisError)
        and type(error).__module__ not in _STANDARD
    )


def _was_caught_by_redis_py(error: BaseException) -> bool:
    if error.__traceback__ is None:
        return False
    module = str(error.__traceback__.tb_frame.f_globals.get("__name__", ""))
    return f"{module}.".startswith("redis.")
