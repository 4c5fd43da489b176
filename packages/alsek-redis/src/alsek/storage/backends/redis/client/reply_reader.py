"""Takes the bytes that a server sends, in pieces of any length, and gives the replies in them (RESP2)."""

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


class PlainReader:
    """A reader in Python. It never looks at a byte twice, however long a reply is.

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
            return None if rest == b"-1" else (yield from self._bytes(_number(rest)))
        if kind == b":":
            return _number(rest)
        if kind == b"*":
            if rest == b"-1":
                return None
            items = []
            for _ in range(_number(rest)):
                items.append((yield from self._reply()))  # noqa: PERF401 - it yields
            return items
        if kind == b"+":
            return rest
        if kind == b"-":
            return self._error_of(rest.decode("utf-8", "replace"))
        raise InvalidResponse(f"Protocol error: {line[:40]!r}")

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


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidResponse(f"Protocol error: {text[:40]!r} is no number") from None
