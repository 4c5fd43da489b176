"""Exceptions set in this thread from outside, that strike while redis-py is at work.

A task's timeout is one: :class:`~alsek.exceptions.TaskTimeoutError`. It is a ``TimeoutError``, so an ``OSError``, and
redis-py takes it for a fault of the network: it raises an error of its own instead, which keeps the first one as its
context. So whoever catches an error of redis-py's looks there, and lets the interruption through as itself: the call is
not repeated, and the server is not said to be away.

What must not be mistaken for one is an older exception that the caller is handling just now, which stands in the same
chain: an interruption was caught by redis-py, so that is where its traceback begins.
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
    """The interruption that this error is, or was made of."""
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
