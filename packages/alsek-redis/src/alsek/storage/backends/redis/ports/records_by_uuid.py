"""Reads and deletes records that have a key of their own for each uuid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from alsek.storage.backends.redis.client.exchange import Exchange, command

R = TypeVar("R")


def find_records(
    key_of: Callable[[str], str], unpack: Callable[[str, bytes], R], uuids: Sequence[str]
) -> Exchange[list[R | None]]:
    """Return the records of these uuids, in this order; None for one that has none.

    Args:
        key_of: Returns the key of a uuid.
        unpack: Makes a record of a uuid and what its key holds.
        uuids: The uuids.
    """
    found = (yield ("MGET", *map(key_of, uuids)), None, True) if uuids else []
    return records_from(unpack, uuids, found)


def records_from(
    unpack: Callable[[str, bytes], R], uuids: Sequence[str], found: Sequence[bytes | None]
) -> list[R | None]:
    """The records of these uuids, of what their keys hold."""
    return [None if data is None else unpack(uuid, data) for uuid, data in zip(uuids, found, strict=True)]


def delete_records(key_of: Callable[[str], str], uuids: Sequence[str]) -> Exchange[int]:
    """Delete the records of these uuids; return how many there were."""
    return int((yield from command("DEL", *map(key_of, uuids)))) if uuids else 0
