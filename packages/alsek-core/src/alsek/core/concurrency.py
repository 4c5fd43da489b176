"""Locks by name, across threads, processes and hosts."""

from __future__ import annotations

import itertools
import os
import threading
from types import TracebackType
from typing import Any

from alsek.core.bounds import check_integer, checked_wait, milliseconds
from alsek.core.clock import now_ms
from alsek.core.clock import real_time as time
from alsek.core.identifiers import check_name, check_task_name
from alsek.core.loggers import guarded_logger
from alsek.core.seconds import LEAST_WAIT_MS, warn_of_seconds
from alsek.defaults import DEFAULT_LOCK_TTL, MAX_DURATION
from alsek.exceptions import BackendError, LockAlreadyHeldError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.records import LockRecord
from alsek.types import Duration

log = guarded_logger(__name__)

#: Poll interval while waiting: stores don't announce that a lock has expired.
_POLL_INTERVAL_MS = 500


class _Owners(threading.local):
    """The name of the current thread as an owner: unique across processes and hosts.

    Host and pid would not be unique: in containers every process is pid 1.
    """

    process = os.urandom(8).hex()
    numbers = itertools.count()

    def __init__(self) -> None:
        self.number = next(self.numbers)

    @property
    def current(self) -> str:
        return f"{type(self).process}-{self.number}"


_owners = _Owners()


def _new_process() -> None:
    _Owners.process = os.urandom(8).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_process)


class Lock:
    """Mutual exclusion by name, for a bounded time.

    Entering the ``with`` statement does not acquire. Leaving it releases what this object has acquired, and
    never what another object has. Each acquisition has a :attr:`fence` number that is greater than all before it: a
    resource that remembers the greatest one it has seen can refuse a holder whose acquisition has expired.

    Args:
        name: The name of the lock.
        backend: The store that keeps the lock.
        ttl: How long (ms) an acquisition lasts if it is neither released nor extended.
        auto_release: Release when the ``with`` statement is left.
        owner_id: The owner that acquires; by default this thread of this process.
    """

    def __init__(
        self,
        name: str,
        backend: Backend,
        ttl: Duration = DEFAULT_LOCK_TTL,
        auto_release: bool = True,
        owner_id: str | None = None,
    ) -> None:
        self.name = check_name("lock", name)
        expect_backend("Lock", backend)
        warn_of_seconds("ttl", ttl, LEAST_WAIT_MS, "Lock")
        ttl = milliseconds(ttl)
        check_integer("ttl", ttl, 1, f"Lock({name!r})")
        if owner_id is not None:
            check_task_name(f"owner_id of Lock({name!r})", owner_id)
        self.backend = backend
        self.ttl = ttl
        self.auto_release = auto_release
        self._owner_id = owner_id
        # By owner: threads may share this object, and each of them is an owner.
        self._acquired: dict[str, LockRecord] = {}

    @property
    def owner_id(self) -> str:
        """The owner that acquires."""
        return self._owner_id if self._owner_id is not None else _owners.current

    @property
    def fence(self) -> int | None:
        """The number of this owner's acquisition through this object; None if it has not acquired."""
        record = self._acquired.get(self.owner_id)
        return None if record is None else record.fence

    @property
    def holder(self) -> str | None:
        """The owner that holds the lock now; None if it is free."""
        record = self.backend.locks.holder(self.name)
        return None if record is None else record.owner

    @property
    def held(self) -> bool:
        """True if this owner holds the lock now."""
        return self.holder == self.owner_id

    def acquire(self, wait: Duration | None = None, strict: bool = True) -> bool:
        """Acquire the lock if it is free, or becomes free in time.

        Args:
            wait: How long (ms) to wait for another holder; None to not wait.
            strict: Raise if this owner holds the lock already, or the store fails. If False, return False then.

        Returns:
            True if the lock was acquired.

        Raises:
            LockAlreadyHeldError: This owner holds it already (`strict`).
            BackendError: The store fails (`strict`).
        """
        wait_ms = checked_wait("wait", wait, f"Lock({self.name!r})")
        try:
            if self.held:
                if strict:
                    raise LockAlreadyHeldError(f"lock {self.name!r} is held by {self.owner_id!r} already")
                return False
            record = self._take() if not wait_ms else self._wait(wait_ms)
        except BackendError:
            if strict:
                raise
            log.warning("Lock %r can't be acquired: the store fails.", self.name, exc_info=True)
            return False
        if record.owner != self.owner_id:
            return False
        self._acquired[record.owner] = record
        return True

    def _take(self) -> LockRecord:
        return self.backend.locks.acquire(self.name, self.owner_id, min(self.ttl, MAX_DURATION))

    def _wait(self, wait: int) -> LockRecord:
        deadline = time.monotonic() + wait / 1000
        with self.backend.subscribe(f"locks:{self.name}") as subscription:
            while True:
                record = self._take()
                left = int((deadline - time.monotonic()) * 1000)
                if record.owner == self.owner_id or left <= 0:
                    return record
                expiry = record.expires_at - now_ms()
                look_again = min(expiry + 1, _POLL_INTERVAL_MS) if expiry > 0 else _POLL_INTERVAL_MS
                subscription.wait(min(left, look_again))

    def release(self) -> bool:
        """Release the lock if this owner holds it, and return True; False if it does not."""
        self._acquired.pop(self.owner_id, None)
        return self.backend.locks.release(self.name, self.owner_id)

    def extend(self, ttl: Duration | None = None) -> bool:
        """Let the lock last `ttl` ms (by default the lock's own) from now; False if this owner does not hold it."""
        ttl = self.ttl if ttl is None else milliseconds(ttl)
        check_integer("ttl", ttl, 1, f"Lock({self.name!r}).extend()")
        record = self.backend.locks.extend(self.name, self.owner_id, min(ttl, MAX_DURATION))
        if record is None:
            self._acquired.pop(self.owner_id, None)
        return record is not None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the acquisitions: a copy, or an object in another process, has acquired nothing."""
        return {**self.__dict__, "_acquired": {}}

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        acquired = self._acquired.get(self.owner_id)
        if self.auto_release and acquired is not None:
            holder = self.backend.locks.holder(self.name)
            # After the ttl the same owner may have acquired the lock again, through another object.
            if holder is not None and holder.fence == acquired.fence:
                self.release()
            else:
                self._acquired.pop(self.owner_id, None)

    def __repr__(self) -> str:
        return f"Lock({self.name!r}, backend={self.backend!r}, ttl={self.ttl!r})"
