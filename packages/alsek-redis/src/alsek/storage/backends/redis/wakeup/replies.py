"""Reads what a server sends on a waiter's connection: replies, and pushes between them (RESP2 and RESP3)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from redis.exceptions import InvalidResponse

_LINES: Final = b"+-:,(#"
_TEXTS: Final = b"$=!"
_LISTS: Final = b"*~>"
_MAPS: Final = b"%|"


class Reply(NamedTuple):
    """A reply, or a push.

    Attributes:
        kind: Its first byte: ``b"-"`` for an error, ``b">"`` for a push, …
        value: Bytes; a list of the values of its parts (of a map, keys and values in turn); None for a null.
        end: Where it ends in the bytes that were read.
    """

    kind: bytes
    value: Any
    end: int


def read_reply(data: bytes, begin: int = 0) -> Reply | None:
    """Return the reply that begins there; None if it is not complete.

    Raises:
        InvalidResponse: These bytes are no reply.
    """
    line_end = data.find(b"\r\n", begin)
    if line_end < 0:
        return None
    kind, line, at = data[begin : begin + 1], data[begin + 1 : line_end], line_end + 2
    if kind == b"_" or (line == b"-1" and kind in b"$*"):
        return Reply(kind, None, at)
    if kind in _TEXTS:
        end = at + _number(line)
        return Reply(kind, data[at:end], end + 2) if len(data) >= end + 2 else None
    if kind in _LINES:
        return Reply(kind, line, at)
    if kind not in _LISTS and kind not in _MAPS:
        raise InvalidResponse(f"Protocol error: {data[begin : begin + 40]!r}")
    parts = []
    for _ in range(_number(line) * (2 if kind in _MAPS else 1)):
        part = read_reply(data, at)
        if part is None:
            return None
        parts.append(part.value)
        at = part.end
    return Reply(kind, parts, at)


def _number(text: bytes) -> int:
    if not text.isdigit():
        raise InvalidResponse(f"Protocol error: {text[:40]!r} is no number")
    return int(text)
