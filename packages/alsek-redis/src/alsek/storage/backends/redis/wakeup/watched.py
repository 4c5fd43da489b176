"""What is read when someone begins to wait for a result or a status, and what it tells."""

from __future__ import annotations

from alsek.storage.backends.records import ResultRecord, StatusRecord, TaskStatus
from alsek.storage.backends.redis.keys import Keys


def result_reads(keys: Keys, queue: str, uuid: str) -> tuple[str, ...]:
    """The names of the STRINGs that tell of the result of a message, in the order that :func:`result_from` takes."""
    return (keys.result(uuid), keys.letter(queue, uuid), keys.status(uuid))


def result_from(uuid: str, found: list[bytes | None]) -> tuple[ResultRecord | None, bool]:
    """The result of a message if there is one, and whether it may have failed."""
    result, letter, status = found
    record = None if result is None else ResultRecord.unpack(uuid, result)
    present = None if status is None else StatusRecord.unpack(uuid, status).status
    return record, letter is not None or present in (TaskStatus.FAILED, TaskStatus.UNKNOWN)


def status_from(uuid: str, found: list[bytes | None]) -> StatusRecord | None:
    """The status of a message if there is one."""
    (status,) = found
    return None if status is None else StatusRecord.unpack(uuid, status)
