"""The result port on Redis: each result is a STRING that expires by itself."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.records import FOR_EVER, ResultRecord
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, beside, exchange
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.records_by_uuid import delete_records, find_records, records_from


class RedisResults(ResultPort):
    """Results by uuid, with an index of the descendants of each progenitor.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._put = make_call("result_put")
        self._descendants = make_call("descendants")

    @exchange
    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> Exchange[bool]:
        name, under = uuid.encode(), (progenitor or "").encode()
        return bool((yield from self._put.ask(name, payload, b"%d" % ttl, b"%d" % token, under)))

    def _getting(self, uuids: Sequence[str]) -> Exchange[list[ResultRecord | None]]:
        return find_records(self._keys.result, ResultRecord.unpack, uuids)

    @beside(_getting)
    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        found = self._link.call("MGET", *map(self._keys.result, uuids)) if uuids else []
        return records_from(ResultRecord.unpack, uuids, found)

    @exchange
    def descendants(self, uuid: str) -> Exchange[list[ResultRecord]]:
        reply = yield from self._descendants.ask(uuid.encode())
        return [ResultRecord.unpack(reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2)]

    @exchange
    def failed_parents(self, uuids: Sequence[str]) -> Exchange[list[str | None]]:
        return find_records(self._keys.unreachable, lambda _, parent: parent.decode(), uuids)

    @exchange
    def delete(self, uuids: Sequence[str]) -> Exchange[int]:
        return delete_records(self._keys.result, uuids)
