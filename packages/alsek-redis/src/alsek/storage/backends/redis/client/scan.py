"""Iteration over the keys of a namespace, in batches, so that the server is not blocked for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alsek.storage.backends.redis.client.connection import Link

#: How many keys the server looks at for one call of SCAN.
_BATCH: Final = 500


def scan_keys(link: Link, pattern: str) -> Iterator[list[str]]:
    """The names of keys that match a glob pattern, each once, in lists that are never empty."""
    seen: set[str] = set()
    for found in _batches(link, pattern):
        new = [name for name in dict.fromkeys(found) if name not in seen]
        seen.update(new)
        if new:
            yield new


def _batches(link: Link, pattern: str) -> Iterator[list[str]]:
    cursor: bytes | int = 0
    while True:
        cursor, found = link.call("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
        yield [_text(name) for name in found]
        if int(cursor) == 0:
            return


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
