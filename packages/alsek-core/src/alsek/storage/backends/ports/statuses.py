"""Statuses of messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus


class StatusPort(ABC):
    """Statuses, by the uuid of the message. A write publishes on the channel ``statuses:<uuid>``."""

    @abstractmethod
    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> bool:
        """Store a status, with `only_new` only if there is none; returns whether it was stored."""

    @abstractmethod
    def get(self, uuids: Sequence[str]) -> list[StatusRecord | None]:
        """The statuses of these messages, in this order; None for one that has no status."""

    @abstractmethod
    def replace(self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER) -> bool:
        """Store `status` if the stored status and timestamp are still those of `expected`; returns whether it did."""

    @abstractmethod
    def delete(self, uuids: Sequence[str]) -> int:
        """Delete statuses; returns how many there were."""

    @abstractmethod
    def scan(self) -> Iterator[StatusRecord]:
        """All statuses, in no particular order, read in batches."""
