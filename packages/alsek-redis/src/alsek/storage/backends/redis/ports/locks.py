"""The lock port on Redis: each lock is a STRING (expiry|fence|owner) that expires by itself."""

from __future__ import annotations

from alsek.storage.backends.ports import LockPort
from alsek.storage.backends.records import LockRecord
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, exchange
from alsek.storage.backends.redis.client.script import CallMaker


class RedisLocks(LockPort):
    """Locks by name. Fence numbers come from one counter of the namespace, so they never repeat.

    Args:
        link: To the server.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, make_call: CallMaker) -> None:
        self._link = link
        self._take = make_call("lock_take")
        self._change = make_call("lock_change")

    @exchange
    def acquire(self, name: str, owner: str, ttl: int) -> Exchange[LockRecord]:
        return _record((yield from self._take.ask(name.encode(), owner.encode(), b"%d" % ttl)))

    @exchange
    def release(self, name: str, owner: str) -> Exchange[bool]:
        freed = yield from self._change.ask(name.encode(), b"free", owner.encode(), b"0")
        return freed is not None

    @exchange
    def extend(self, name: str, owner: str, ttl: int) -> Exchange[LockRecord | None]:
        held = yield from self._change.ask(name.encode(), b"extend", owner.encode(), b"%d" % ttl)
        return None if held is None else _record(held)

    @exchange
    def holder(self, name: str) -> Exchange[LockRecord | None]:
        held = yield from self._change.ask(name.encode(), b"see", b"", b"0")
        return None if held is None else _record(held)


def _record(data: bytes) -> LockRecord:
    expires_at, fence, owner = data.split(b"|", 2)
    return LockRecord(owner.decode(), int(expires_at), int(fence))
