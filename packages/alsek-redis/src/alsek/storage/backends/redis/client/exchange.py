"""Exchanges: what a port asks the server, written once for synchronous and asynchronous callers.

An exchange is a generator. It yields requests, is sent the reply to each (an error is raised where it yielded), and
returns what the port's method returns. It does no input or output itself: :func:`carry_out` does that over a
:class:`~alsek.storage.backends.redis.client.connection.Link`, which blocks, and
:class:`~alsek.storage.backends.redis.event_loop.link.AsyncLink` over a connection of an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from redis.exceptions import NoScriptError

from alsek.exceptions import BackendError
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.resp import Argument

P = ParamSpec("P")
T = TypeVar("T")


#: One command for the server: its arguments, or nothing if it is packed; the packed command, or None; and whether it
#: can be sent again if its reply was lost.
Request: TypeAlias = tuple[Sequence[Argument], bytes | None, bool]

Exchange: TypeAlias = Generator[Request, Any, T]

#: What an exchange may handle itself: it is raised where the exchange yielded. All else ends it.
ANSWERED = (NoScriptError, BackendError)


class HasLink(Protocol):
    """What exchanges are methods of."""

    _link: Link


S = TypeVar("S", bound=HasLink)


def command(*arguments: Argument, repeat: bool = True) -> Exchange[Any]:
    """Send one command, and return its reply, undecoded."""
    return (yield arguments, None, repeat)


def carry_out(link: Link, exchange: Exchange[T]) -> T:
    """Send the requests of an exchange one after the other, and return what it returns."""
    send = link.send
    try:
        request = next(exchange)
        while True:
            try:
                reply = send(*request)
            except ANSWERED as error:
                request = exchange.throw(error)
            else:
                request = exchange.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


def exchange(method: Callable[Concatenate[S, P], Exchange[T]]) -> Callable[Concatenate[S, P], T]:
    """Make a port's method of an exchange. It blocks; :func:`exchange_of` gives the exchange itself."""

    @wraps(method)
    def blocking(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        link: Link = self._link  # pyright: ignore[reportPrivateUsage]
        return carry_out(link, method(self, *args, **kwargs))

    return beside(method)(blocking)


def beside(
    method: Callable[Concatenate[S, P], Exchange[T]],
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], T]]:
    """Say which exchange does the same as a method that has straight code, because it is called so often."""

    def decorate(straight: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
        straight.exchange = method  # type: ignore[attr-defined]
        return straight

    return decorate


def exchange_of(operation: Callable[P, T]) -> Callable[P, Exchange[T]] | None:
    """The exchange that a bound method, or a partial of one, carries out; None if it is made of none."""
    if isinstance(operation, partial):
        inner = exchange_of(operation.func)
        return None if inner is None else partial(inner, *operation.args, **operation.keywords)
    method: Any = getattr(operation, "exchange", None)
    owner: Any = getattr(operation, "__self__", None)
    if method is None or owner is None:
        return None

    def bound(*args: P.args, **kwargs: P.kwargs) -> Exchange[T]:
        begun: Exchange[T] = method(owner, *args, **kwargs)
        return begun

    return bound
