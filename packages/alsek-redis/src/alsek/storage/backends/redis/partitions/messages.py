"""The message port over several partitions."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Added, Retried, Submission
from alsek.storage.backends.redis.partitions.bonds import check_alone, check_together
from alsek.storage.backends.redis.partitions.inspection import PartitionedInspection
from alsek.storage.backends.redis.partitions.work import PartitionedWork


class PartitionedMessages(PartitionedWork, PartitionedInspection, MessagePort):
    """Messages, each in the partition that its uuid names.

    What concerns one message is one step of its partition. A submission of several messages, and what is done to a
    queue, are one step in each partition: all of them can be repeated.

    Args:
        parts: The partitions.
    """

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        parts = self._parts
        for submission in submissions:
            check_alone(parts, submission)
        if len(submissions) == 1:
            return parts.of(submissions[0].uuid).messages.add(submissions, request)
        return parts.gather(
            submissions, lambda each: each.uuid, lambda part, mine: part.messages.add(mine, request)
        )

    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        return self._parts.of(uuid).messages.remove(queue, uuid, waiting)

    def reschedule(self, retried: Retried) -> bool:
        return self._parts.of(retried.uuid).messages.reschedule(retried)

    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> bool:
        if callback is not None:
            check_together(self._parts, callback, self._parts.number(uuid), f"message {uuid!r}")
        return self._parts.of(uuid).messages.fail(queue, uuid, error, dlq_ttl, callback, unreachable)

    def revoke(self, queue: str, uuid: str) -> bool:
        return self._parts.of(uuid).messages.revoke(queue, uuid)

    def pause(self, queue: str, by: str) -> bool:
        return sum(part.messages.pause(queue, by) for part in self._parts.all) > 0

    def resume(self, queue: str) -> bool:
        return sum(part.messages.resume(queue) for part in self._parts.all) > 0

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        check_alone(self._parts, submission)
        return self._parts.of(submission.uuid).messages.replay(submission, died_at, unreachable)

    def purge(self, queue: str, uuid: str | None = None) -> int:
        if uuid is not None:
            return self._parts.of(uuid).messages.purge(queue, uuid)
        return sum(part.messages.purge(queue) for part in self._parts.all)
