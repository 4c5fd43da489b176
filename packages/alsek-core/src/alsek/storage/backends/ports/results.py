"""Results of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from alsek.storage.backends.records import FOR_EVER, ResultRecord


class ResultPort(ABC):
    """Results, by the uuid of the message.

    A write publishes the result on the channel ``results:<uuid>``. An empty note is published there when the message
    fails, is removed, or is revoked while no worker holds it, so that those who wait for the result read the store
    again.
    """

    @abstractmethod
    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        """Store a result, unless the stored one was written under a newer token; returns whether it was stored.

        The result of an outcome that a step accepts is stored in any case, because its claim is the current one.
        """

    @abstractmethod
    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        """The results of these messages, in this order; None for one that has no result."""

    @abstractmethod
    def descendants(self, uuid: str) -> list[ResultRecord]:
        """The results that were last written with `uuid` as their progenitor, oldest write first.

        The result of `uuid` itself is not among them.
        """

    def failed_parents(self, uuids: Sequence[str]) -> list[str | None]:
        """Of each uuid: the message because of whose failure it will not be submitted as a callback; or None.

        These notes are written with the ``unreachable`` callbacks of a failure, and an empty note is published on the
        channel ``results:<uuid>``. They are kept for :data:`~alsek.defaults.FAILED_PARENT_TTL`, or until the message
        that failed is replayed, or a message of this uuid is submitted that is ``named``. If the callback was that of a
        group, this is the message because of which the group has failed, or the id of the group that was revoked. A
        store without such notes has none of any.
        """
        return [None] * len(uuids)

    @abstractmethod
    def delete(self, uuids: Sequence[str]) -> int:
        """Delete results; returns how many there were."""
