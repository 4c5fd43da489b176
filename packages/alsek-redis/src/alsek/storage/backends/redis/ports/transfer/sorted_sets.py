"""Walks over sorted sets from which members are removed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from alsek.storage.backends.redis.client.connection import Link


class Entry(NamedTuple):
    """A member of a sorted set: its score, itself, and the key of the set."""

    score: float
    member: bytes
    key: str


class _Walk:
    """Where a walk over one set stands.

    What it has passed and is still there comes first in the set; so it goes on behind as many as those are.
    """

    def __init__(self, link: Link, key: str) -> None:
        self._link = link
        self._key = key
        self._passed = 0
        self._last: set[bytes] = set()

    def ahead(self, most: int, left: set[bytes]) -> list[Entry]:
        """The next members, without passing them. Those of the last page that are still there are added to `left`."""
        end = self._passed + len(self._last) + most - 1
        reply = flat(self._link.call("ZRANGE", self._key, self._passed, end, "WITHSCORES"))
        entries = [Entry(float(reply[i + 1]), reply[i], self._key) for i in range(0, len(reply), 2)]
        still_there = self._last.intersection(entry.member for entry in entries)
        self._passed += len(still_there)
        self._last.clear()
        left |= still_there
        return [entry for entry in entries if entry.member not in still_there][:most]

    def passed(self, entry: Entry) -> None:
        """Note that a member was handed out."""
        self._last.add(entry.member)


def flat(reply: Any) -> list[Any]:
    """A reply of pairs as one list; clients that are not used directly have put them together."""
    if isinstance(reply, dict):
        reply = list(reply.items())
    return (
        [part for pair in reply for part in pair]
        if reply and not isinstance(reply[0], bytes)
        else list(reply)
    )


def walk(link: Link, keys: Sequence[str], most: int, left: set[bytes] | None = None) -> Iterator[list[Entry]]:
    """The members of several sorted sets as if they were one, by score and member; at most this many at a time.

    Those that are still there when the next page is asked for are added to `left`.
    """
    left = set() if left is None else left
    walks = {key: _Walk(link, key) for key in keys}
    while True:
        entries = [entry for each in walks.values() for entry in each.ahead(most, left)]
        page = sorted(entries)[:most]
        if not page:
            return
        for entry in page:
            walks[entry.key].passed(entry)
        yield page
