"""Takes the bytes that a server sends, in pieces of any length, and gives the replies in them (RESP2 and RESP3)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Protocol

from redis.exceptions import InvalidResponse
from redis.utils import HIREDIS_AVAILABLE

#: Given by :meth:`ReplyReader.gets` if the next reply is not complete.
NOT_YET: Final = object()

#: What was read is cut off the buffer when it is this long.
_CUT_AT: Final = 65_536


class ReplyReader(Protocol):
    """What both readers do."""

    def feed(self, data: bytes, /) -> object:
        """Take further bytes."""

    def gets(self) -> Any:
        """Return the next reply; :data:`NOT_YET` if it is not complete.

        An error that the server answered is returned as an exception.

        Raises:
            InvalidResponse: These bytes are no replies.
        """


def new_reply_reader(error_of: Callable[[str], Exception]) -> ReplyReader:
    """A reader; hiredis's if that is installed.

    Args:
        error_of: Makes an exception of the text of an error.
    """
    if not HIREDIS_AVAILABLE:  # not tried for each connection: an import swallows some of what interrupts it
        return PlainReader(error_of)
    from hiredis import Reader  # an extra, which redis-py has imported

    fast: ReplyReader = Reader(protocolError=InvalidResponse, replyError=error_of, notEnoughData=NOT_YET)
    return fast


class Push(list[Any]):
    """What the server sends without having been asked (RESP3): what is published, say."""


class PlainReader:
    """A reader in Python. It never looks at a byte twice, however long a reply is.

    A map of RESP3 is a list, of keys and values in turn.

    Args:
        error_of: Makes an exception of the text of an error.
    """

    def __init__(self, error_of: Callable[[str], Exception]) -> None:
        self._error_of = error_of
        self._buffer = bytearray()
        self._position = 0
        self._replies = self._all()

    def feed(self, data: bytes, /) -> None:
        """Take further bytes."""
        self._buffer += data

    def gets(self) -> Any:
        """Return the next reply, or :data:`NOT_YET`."""
        return next(self._replies)

    def rest(self) -> bytes:
        """Return the bytes behind the replies that were given. Not to be called once one has begun."""
        return bytes(self._buffer[self._position :])

    def _all(self) -> Generator[Any, None, None]:
        while True:
            yield (yield from self._reply())
            if self._position >= _CUT_AT or self._position == len(self._buffer):
                del self._buffer[: self._position]
                self._position = 0

    def _reply(self) -> Generator[Any, None, Any]:
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else (yield from self._bytes(_length(rest)))
        if kind == b":":
            return _number(rest)
        if kind == b"*":
            if rest == b"-1":
                return None
            return (yield from self._items(_length(rest)))
        if kind == b"+":
            return rest
        if kind == b"-":
            return self._error_of(rest.decode("utf-8", "replace"))
        return (yield from self._reply_of_resp3(kind, rest))

    def _reply_of_resp3(self, kind: bytes, rest: bytes) -> Generator[Any, None, Any]:
        if kind == b">":
            return Push((yield from self._items(_length(rest))))
        if kind == b"~":
            return (yield from self._items(_length(rest)))
        if kind == b"%":
            return (yield from self._items(2 * _length(rest)))
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return _number(rest, float)
        if kind == b"(":
            return _number(rest)
        if kind == b"=":
            return (yield from self._bytes(_length(rest)))[4:]  # without "txt:"
        if kind == b"!":
            return self._error_of((yield from self._bytes(_length(rest))).decode("utf-8", "replace"))
        raise InvalidResponse(f"Protocol error: {(kind + rest)[:40]!r}")

    def _items(self, many: int) -> Generator[Any, None, list[Any]]:
        items = []
        for _ in range(many):
            items.append((yield from self._reply()))  # noqa: PERF401 - it yields
        return items

    def _line(self) -> Generator[Any, None, bytes]:
        begin = self._position
        while (end := self._buffer.find(b"\r\n", begin)) < 0:
            begin = max(len(self._buffer) - 1, self._position)
            yield NOT_YET
        line = bytes(self._buffer[self._position : end])
        self._position = end + 2
        return line

    def _bytes(self, length: int) -> Generator[Any, None, bytes]:
        end = self._position + length
        while len(self._buffer) < end + 2:
            yield NOT_YET
        data = bytes(self._buffer[self._position : end])
        self._position = end + 2
        return data


def _length(text: bytes) -> int:
    if not text.isdigit():
        raise InvalidResponse(f"Protocol error: {text[:40]!r} is no length")
    return int(text)


def _number(text: bytes, kind: type[int] | type[float] = int) -> int | float:
    try:
        return kind(text)
    except ValueError:
        raise InvalidResponse(f"Protocol error: {text[:40]!r} is no number") from None
