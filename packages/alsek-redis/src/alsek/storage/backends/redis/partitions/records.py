"""The ports of what has one name, over several partitions: each call goes to the partition of the name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from alsek.storage.backends.ports import (
    GroupPort,
    LockPort,
    ResultPort,
    SchedulePort,
    StatusPort,
    ValuePort,
)
from alsek.storage.backends.records import (
    FOR_EVER,
    Added,
    GroupMember,
    GroupRecord,
    GroupSubmission,
    LockRecord,
    ResultRecord,
    ScheduleRecord,
    StatusRecord,
    Submission,
    TaskStatus,
)
from alsek.storage.backends.redis.partitions.bonds import check_group, check_together
from alsek.storage.backends.redis.partitions.parts import Parts


def _itself(name: str) -> str:
    return name


class PartitionedResults(ResultPort):
    """Results, in the partitions of their messages.

    The tokens in what is published are those of the partition.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        return self._parts.of(uuid).results.put(uuid, payload, ttl, self._parts.inward(token), progenitor)

    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        found = self._parts.gather(uuids, _itself, lambda part, mine: part.results.get(mine))
        return [None if record is None else self._outward(record) for record in found]

    def descendants(self, uuid: str) -> list[ResultRecord]:
        return [self._outward(record) for record in self._parts.of(uuid).results.descendants(uuid)]

    def failed_parents(self, uuids: Sequence[str]) -> list[str | None]:
        return self._parts.gather(uuids, _itself, lambda part, mine: part.results.failed_parents(mine))

    def delete(self, uuids: Sequence[str]) -> int:
        return self._parts.total(uuids, lambda part, mine: part.results.delete(mine))

    def _outward(self, record: ResultRecord) -> ResultRecord:
        part = self._parts.number(record.uuid)
        return record._replace(token=self._parts.outward(part, record.token))


class PartitionedStatuses(StatusPort):
    """Statuses, in the partitions of their messages.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> bool:
        return self._parts.of(uuid).statuses.put(uuid, status, details, ttl, only_new)

    def get(self, uuids: Sequence[str]) -> list[StatusRecord | None]:
        return self._parts.gather(uuids, _itself, lambda part, mine: part.statuses.get(mine))

    def replace(self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER) -> bool:
        return self._parts.of(uuid).statuses.replace(uuid, expected, status, ttl)

    def delete(self, uuids: Sequence[str]) -> int:
        return self._parts.total(uuids, lambda part, mine: part.statuses.delete(mine))

    def scan(self) -> Iterator[StatusRecord]:
        return chain.from_iterable(part.statuses.scan() for part in self._parts.all)


class PartitionedLocks(LockPort):
    """Locks, in the partitions of their names.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        return self._parts.of(name).locks.acquire(name, owner, ttl)

    def release(self, name: str, owner: str) -> bool:
        return self._parts.of(name).locks.release(name, owner)

    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        return self._parts.of(name).locks.extend(name, owner, ttl)

    def holder(self, name: str) -> LockRecord | None:
        return self._parts.of(name).locks.holder(name)


class PartitionedValues(ValuePort):
    """Values, in the partitions of their names.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def exists(self, name: str) -> bool:
        return self._parts.of(name).values.exists(name)

    def put(self, name: str, value: bytes, ttl: int = FOR_EVER, only_new: bool = False) -> bool:
        return self._parts.of(name).values.put(name, value, ttl, only_new)

    def get(self, name: str) -> bytes | None:
        return self._parts.of(name).values.get(name)

    def delete(self, name: str) -> bool:
        return self._parts.of(name).values.delete(name)

    def scan(self, pattern: str) -> Iterator[str]:
        return chain.from_iterable(part.values.scan(pattern) for part in self._parts.all)


class PartitionedGroups(GroupPort):
    """Groups, in the partitions of their ids. All members of a group, and its callback, are in the same one.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def create(self, group: GroupSubmission, request: str) -> bool:
        check_group(self._parts, group)
        return self._parts.of(group.id).groups.create(group, request)

    def get(self, group: str) -> GroupRecord | None:
        return self._parts.of(group).groups.get(group)

    def members(self, group: str, first: int, count: int) -> list[GroupMember]:
        return self._parts.of(group).groups.members(group, first, count)

    def revoke(self, group: str) -> bool:
        return self._parts.of(group).groups.revoke(group)


class PartitionedSchedules(SchedulePort):
    """Schedules, in the partitions of their names. The messages of their ticks are in the same one.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def put(
        self, name: str, definition: bytes, revision: str, next_at: int | None, expected: str = ""
    ) -> ScheduleRecord | None:
        return self._parts.of(name).schedules.put(name, definition, revision, next_at, expected)

    def get(self, names: Sequence[str] | None = None) -> list[ScheduleRecord]:
        found: list[ScheduleRecord] = []
        if names is None:
            for part in self._parts.all:
                found += part.schedules.get()
        else:
            for number, mine in self._parts.split(sorted(set(names)), _itself).items():
                found += self._parts.all[number].schedules.get([name for _, name in mine])
        return sorted(found, key=lambda each: each.name)

    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        submissions: Sequence[Submission],
        request: str,
        next_at: int | None,
        last_at: int | None = None,
    ) -> list[Added] | None:
        number = self._parts.number(name)
        for submission in submissions:
            check_together(self._parts, submission, number, f"schedule {name!r}")
        return self._parts.of(name).schedules.fire(
            name, revision, tick, submissions, request, next_at, last_at
        )

    def pause(self, name: str, by: str) -> bool:
        return self._parts.of(name).schedules.pause(name, by)

    def resume(self, name: str, revision: str, next_at: int | None) -> bool:
        return self._parts.of(name).schedules.resume(name, revision, next_at)

    def remove(self, name: str) -> bool:
        return self._parts.of(name).schedules.remove(name)
