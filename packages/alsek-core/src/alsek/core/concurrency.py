"""Locks by name, across threads, processes and hosts."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from alsek.core.bounds import check_integer, checked_wait, milliseconds
from alsek.core.clock import now_ms
from alsek.core.clock import real_time as time
from alsek.core.identifiers import check_name, check_task_name
from alsek.core.lock_owners import current_owner
from alsek.core.loggers import guarded_logger
from alsek.core.seconds import LEAST_WAIT_MS, warn_of_seconds
from alsek.defaults import DEFAULT_LOCK_TTL, MAX_DURATION
from alsek.exceptions import BackendError, LockAlreadyHeldError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import LockRecord
from alsek.types import Duration

log = guarded_logger(__name__)

#: Poll interval while waiting: stores don't announce that a lock has expired.
_POLL_INTERVAL_MS = 500


class Lock:
    """Mutual exclusion by name, for a bounded time.

    Entering ``with`` or ``async with`` does not acquire. Leaving it releases what this object has acquired, and
    never what another object has. Each acquisition has a :attr:`fence` number that is greater than all before it: a
    resource that remembers the greatest one it has seen can refuse a holder whose acquisition has expired.

    Args:
        name: The name of the lock.
        backend: The store that keeps the lock.
        ttl: How long (ms) an acquisition lasts if it is neither released nor extended.
        auto_release: Release when the ``with`` statement is left.
        owner_id: The owner that acquires; by default this thread of this process; in a coroutine, its asyncio task.
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
        # By owner: threads and asyncio tasks may share this object, and each of them is an owner.
        self._acquired: dict[str, LockRecord] = {}

    @property
    def owner_id(self) -> str:
        """The owner that acquires."""
        return self._owner_id if self._owner_id is not None else current_owner()

    @property
    def fence(self) -> int | None:
        """The number of this owner's acquisition through this object; None if it has not acquired."""
        record = self._acquired.get(self.owner_id)
        return None if record is None else record.fence

    @property
    def holder(self) -> str | None:
        """The owner that holds the lock now; None if it is free."""
        return run_blocking(_holder(self._blocking(), self.name))

    async def aholder(self) -> str | None:
        """Return :attr:`holder`, without blocking the event loop."""
        return await _holder(self.backend.loop_driver(), self.name)

    @property
    def held(self) -> bool:
        """True if this owner holds the lock now."""
        return self.holder == self.owner_id

    async def aheld(self) -> bool:
        """Return :attr:`held`, without blocking the event loop."""
        return await self.aholder() == self.owner_id

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
        return run_blocking(self._acquire(self._blocking(), wait, strict))

    async def aacquire(self, wait: Duration | None = None, strict: bool = True) -> bool:
        """As :meth:`acquire`, without blocking the event loop. If it is cancelled, the lock is not acquired."""
        return await self._acquire(self.backend.loop_driver(), wait, strict)

    async def _acquire(self, driver: Driver, wait: Duration | None, strict: bool) -> bool:
        wait_ms = checked_wait("wait", wait, f"Lock({self.name!r})")
        owner = self.owner_id
        try:
            if await _holder(driver, self.name) == owner:
                if strict:
                    raise LockAlreadyHeldError(f"lock {self.name!r} is held by {owner!r} already")
                return False
            record = await (self._wait(driver, owner, wait_ms) if wait_ms else self._take(driver, owner))
        except BackendError:
            if strict:
                raise
            log.warning("Lock %r can't be acquired: the store fails.", self.name, exc_info=True)
            return False
        if record.owner != owner:
            return False
        self._acquired[owner] = record
        return True

    async def _take(self, driver: Driver, owner: str) -> LockRecord:
        locks = driver.backend.locks

        async def undo(record: LockRecord) -> None:
            if record.owner == owner:
                await driver.ask(locks.release, self.name, owner)

        ttl = min(self.ttl, MAX_DURATION)
        return await driver.ask_undoably(undo, locks.acquire, self.name, owner, ttl)

    async def _wait(self, driver: Driver, owner: str, wait: int) -> LockRecord:
        deadline = time.monotonic() + wait / 1000
        async with await driver.subscribe(f"locks:{self.name}") as subscription:
            while True:
                record = await self._take(driver, owner)
                left = int((deadline - time.monotonic()) * 1000)
                if record.owner == owner or left <= 0:
                    return record
                expiry = record.expires_at - now_ms()
                look_again = min(expiry + 1, _POLL_INTERVAL_MS) if expiry > 0 else _POLL_INTERVAL_MS
                await subscription.wait(min(left, look_again))

    def release(self) -> bool:
        """Release the lock if this owner holds it, and return True; False if it does not."""
        return run_blocking(self._release(self._blocking()))

    async def arelease(self) -> bool:
        """As :meth:`release`, without blocking the event loop."""
        return await self._release(self.backend.loop_driver())

    async def _release(self, driver: Driver) -> bool:
        owner = self.owner_id
        released = await driver.ask(driver.backend.locks.release, self.name, owner)
        self._acquired.pop(owner, None)  # if it fails or is cancelled, leaving `with` releases
        return released

    def extend(self, ttl: Duration | None = None) -> bool:
        """Let the lock last `ttl` ms (by default the lock's own) from now; False if this owner does not hold it."""
        return run_blocking(self._extend(self._blocking(), ttl))

    async def aextend(self, ttl: Duration | None = None) -> bool:
        """As :meth:`extend`, without blocking the event loop."""
        return await self._extend(self.backend.loop_driver(), ttl)

    async def _extend(self, driver: Driver, ttl: Duration | None) -> bool:
        ttl = self.ttl if ttl is None else milliseconds(ttl)
        check_integer("ttl", ttl, 1, f"Lock({self.name!r}).extend()")
        owner = self.owner_id
        record = await driver.ask(driver.backend.locks.extend, self.name, owner, min(ttl, MAX_DURATION))
        if record is None:
            self._acquired.pop(owner, None)
        return record is not None

    def _blocking(self) -> BlockingDriver:
        return BlockingDriver(self.backend)

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
        if self.auto_release and self._acquired:
            run_blocking(self._leave(self._blocking(), self.owner_id))

    async def __aenter__(self) -> Lock:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.auto_release and self._acquired:
            driver = self.backend.loop_driver()
            await driver.complete(self._leave(driver, self.owner_id))

    async def _leave(self, driver: Driver, owner: str) -> None:
        """Release what this owner has acquired through this object."""
        acquired = self._acquired.pop(owner, None)
        if acquired is not None:
            holder = await driver.ask(driver.backend.locks.holder, self.name)
            # After the ttl the same owner may have acquired the lock again, through another object.
            if holder is not None and holder.fence == acquired.fence:
                await driver.ask(driver.backend.locks.release, self.name, owner)

    def __repr__(self) -> str:
        return f"Lock({self.name!r}, backend={self.backend!r}, ttl={self.ttl!r})"


async def _holder(driver: Driver, name: str) -> str | None:
    record = await driver.ask(driver.backend.locks.holder, name)
    return None if record is None else record.owner
