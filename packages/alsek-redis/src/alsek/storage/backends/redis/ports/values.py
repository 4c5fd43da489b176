"""The value port on Redis: a STRING for each value."""

from __future__ import annotations

from collections.abc import Iterator

from alsek.storage.backends.ports import ValuePort
from alsek.storage.backends.records import FOR_EVER
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, command, exchange
from alsek.storage.backends.redis.client.resp import Argument
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.keys import Keys


class RedisValues(ValuePort):
    """Values as strings.

    Args:
        link: The connection to the server.
        keys: The names of the keys.
    """

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    @exchange
    def exists(self, name: str) -> Exchange[bool]:
        return bool((yield from command("EXISTS", self._keys.value(name))))

    @exchange
    def put(self, name: str, value: bytes, ttl: int = FOR_EVER, only_new: bool = False) -> Exchange[bool]:
        arguments: list[Argument] = ["SET", self._keys.value(name), value]
        if ttl != FOR_EVER:
            arguments += ["PX", ttl]
        if only_new:
            arguments.append("NX")
        # A repeated SET NX would find the value that the first one stored.
        return (yield from command(*arguments, repeat=not only_new)) is not None

    @exchange
    def get(self, name: str) -> Exchange[bytes | None]:
        return command("GET", self._keys.value(name))

    @exchange
    def delete(self, name: str) -> Exchange[bool]:
        return bool((yield from command("DEL", self._keys.value(name))))

    def scan(self, pattern: str) -> Iterator[str]:
        prefix = self._keys.value("")
        for names in scan_keys(self._link, prefix + pattern):
            yield from (name.removeprefix(prefix) for name in names)
