"""The status port on Redis: each status is a STRING that expires by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alsek.storage.backends.ports import StatusPort
from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, exchange
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.records_by_uuid import delete_records, find_records


class RedisStatuses(StatusPort):
    """Statuses by uuid.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._put = make_call("status_put")

    @exchange
    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> Exchange[bool]:
        new = b"1" if only_new else b"0"
        fields = (b"%d" % status, details or b"", b"%d" % ttl, new, b"")
        return bool((yield from self._put.ask(uuid.encode(), *fields)))

    @exchange
    def get(self, uuids: Sequence[str]) -> Exchange[list[StatusRecord | None]]:
        return find_records(self._keys.status, StatusRecord.unpack, uuids)

    @exchange
    def replace(
        self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER
    ) -> Exchange[bool]:
        begins = b"%d|%d|" % (expected.status, expected.timestamp)
        return bool((yield from self._put.ask(uuid.encode(), b"%d" % status, b"", b"%d" % ttl, b"0", begins)))

    @exchange
    def delete(self, uuids: Sequence[str]) -> Exchange[int]:
        return delete_records(self._keys.status, uuids)

    def scan(self) -> Iterator[StatusRecord]:
        prefix = self._keys.status("")
        for names in scan_keys(self._link, f"{prefix}*"):
            uuids = [name.removeprefix(prefix) for name in names]
            yield from (record for record in self.get(uuids) if record is not None)
