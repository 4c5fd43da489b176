"""Locks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from alsek.storage.backends.records import LockRecord


class LockPort(ABC):
    """Locks: each name has one owner at most, for a bounded time.

    A release publishes on the channel ``locks:<name>``. The expiry of a lock is not published.
    """

    @abstractmethod
    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        """Take the lock if it is free; in either case, returns its record.

        The caller has the lock if the record's owner is `owner`. A lock that `owner` already held is returned
        unchanged: neither its expiry nor its fence number changes. The fence number grows with each acquisition of
        this name, also after an expiry; it never repeats.
        """

    @abstractmethod
    def release(self, name: str, owner: str) -> bool:
        """Free the lock if `owner` holds it; returns whether it did."""

    @abstractmethod
    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        """Let the lock expire `ttl` from now if `owner` holds it; None if it does not."""

    @abstractmethod
    def holder(self, name: str) -> LockRecord | None:
        """The record of the lock if it is held, or None."""
