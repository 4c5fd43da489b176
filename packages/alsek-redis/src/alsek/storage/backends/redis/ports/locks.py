"""The lock port on Redis: each lock is a STRING (expiry|fence|owner) that expires by itself."""

from __future__ import annotations

from alsek.storage.backends.ports import LockPort
from alsek.storage.backends.records import LockRecord
from alsek.storage.backends.redis.client.script import CallMaker


class RedisLocks(LockPort):
    """Locks by name. Fence numbers come from one counter of the namespace, so they never repeat.

    Args:
        make_call: Makes the call of a script.
    """

    def __init__(self, make_call: CallMaker) -> None:
        self._take = make_call("lock_take")
        self._change = make_call("lock_change")

    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        return _record(self._take(name.encode(), owner.encode(), b"%d" % ttl))

    def release(self, name: str, owner: str) -> bool:
        return self._change(name.encode(), b"free", owner.encode(), b"0") is not None

    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        held = self._change(name.encode(), b"extend", owner.encode(), b"%d" % ttl)
        return None if held is None else _record(held)

    def holder(self, name: str) -> LockRecord | None:
        held = self._change(name.encode(), b"see", b"", b"0")
        return None if held is None else _record(held)


def _record(data: bytes) -> LockRecord:
    expires_at, fence, owner = data.split(b"|", 2)
    return LockRecord(owner.decode(), int(expires_at), int(fence))
