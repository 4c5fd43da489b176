"""Walking over the names of a namespace, in small pieces, without holding up the server."""

from __future__ import annotations

from collections.abc import Iterator

from alsek.storage.backends.redis.client.connection import Link


def scan_keys(link: Link, pattern: str, piece: int) -> Iterator[list[str]]:
    """The names that match a glob pattern, each once, in lists that are never empty."""
    seen: set[str] = set()
    for found in _pieces(link, pattern, piece):
        new = [name for name in dict.fromkeys(found) if name not in seen]
        seen.update(new)
        if new:
            yield new


def _pieces(link: Link, pattern: str, piece: int) -> Iterator[list[str]]:
    cursor: bytes | int = 0
    while True:
        cursor, found = link.call("SCAN", cursor, "MATCH", pattern, "COUNT", piece)
        yield [_text(name) for name in found]
        if int(cursor) == 0:
            return


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
