"""Converts what keys hold to copies, and copies to arguments of scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from alsek.storage.backends.copies import (
    IN_A_GROUP,
    Copy,
    DeadLetterCopy,
    MessageCopy,
    ReportCopy,
    ResultCopy,
    ScheduleCopy,
    StatusCopy,
    Unreadable,
    ValueCopy,
    is_in_a_group,
    too_late,
)
from alsek.storage.backends.header import (
    LINE,
    READABLE_VERSIONS,
    REPORTED,
    Kind,
    merged,
    tail_values,
    unreadable,
)
from alsek.storage.backends.kinds import WISH_LETTERS
from alsek.storage.backends.records import ResultRecord, ScheduleRecord, StatusRecord, Submission, TaskStatus
from alsek.storage.backends.redis.ports.codec import marked, packed
from alsek.storage.backends.redis.ports.request_id import request_id
from alsek.storage.backends.redis.ports.schedule_codec import record_of, schedule_from
from alsek.types import Wish

_WISH_OF: Final[dict[str, Wish]] = {letter: wish for wish, letter in WISH_LETTERS.items()}
_NONE: Final = "-"  # the request of a callback

#: The change of a tail that takes out the flag that reports are kept.
_UNREPORTED: Final = REPORTED.partition("=")[0]

#: A request that comes from Redis is an id already.
_REQUEST_ID: Final = re.compile(r"-|[0-9A-Za-z_-]{12}")

_PATTERNS: Final = {
    Kind.NUMBER: r"\d+",
    Kind.DURATION: r"-?\d+",
    Kind.FLAG: "[01]",
    Kind.WISH: f"[{''.join(_WISH_OF)}]",
    Kind.WORD: r"[^|;]*)(?P<tail>;?[^|]*",
    Kind.NAME: r"[^\n]+",
}
_HEAD: Final = re.compile(
    r"(?P<version>\d+)\|" + r"\|".join(f"(?P<{field.name}>{_PATTERNS[field.kind]})" for field in LINE)
)

#: The letter of a copy in scripts.
_KINDS: Final = {
    MessageCopy: b"m",
    DeadLetterCopy: b"d",
    ResultCopy: b"r",
    StatusCopy: b"s",
    ValueCopy: b"v",
    ScheduleCopy: b"t",
}


def message_copy(
    uuid: str, record: bytes, due: int | None, suspect: bool, status: StatusCopy | None
) -> MessageCopy | Unreadable:
    """Copy a message, given as its record, where it stands, and its status; without what is kept of reports."""
    line, _, payload = record.partition(b"\n")
    version = line.partition(b"|")[0]
    if version.isdigit() and int(version) not in READABLE_VERSIONS:
        return Unreadable(uuid, unreadable(int(version)))
    try:
        head = _HEAD.fullmatch(line.decode())
    except UnicodeDecodeError:
        head = None
    if head is None:
        return Unreadable(uuid, "its header is damaged")
    if is_in_a_group(head["tail"]):
        return Unreadable(uuid, IN_A_GROUP)
    return MessageCopy(
        uuid,
        head["queue"],
        payload,
        int(head["priority"]),
        _WISH_OF[head["wish"]],
        due,
        int(head["expiry"]) or None if due is None else None,
        int(head["ttl"]),
        int(head["status_ttl"]),
        int(head["losses"]),
        suspect,
        head["revoked"] == "1",
        "" if head["request"] == _NONE else head["request"],
        head["tail"],
        int(head["version"]),
        status,
        line + b"\n",
    )


def _head(copy: MessageCopy) -> bytes:
    """The header of a message that arrives; its arrival number is put in when it is stored."""
    request = copy.request or _NONE
    if not _REQUEST_ID.fullmatch(request):
        request = request_id(request).decode()
    values = {field.name: str(field.default) for field in LINE}
    values.update(
        wish=WISH_LETTERS[copy.wish],
        priority=str(copy.priority),
        losses=str(copy.losses),
        expiry=str(copy.expiry or 0),
        ttl=str(copy.ttl),
        status_ttl=str(copy.status_ttl),
        revoked="1" if copy.revoked else "0",
        request=request + _tail(copy),
        queue=copy.queue,
    )
    return ("|".join((str(copy.version), *(values[field.name] for field in LINE))) + "\n").encode()


def _tail(copy: MessageCopy | DeadLetterCopy) -> str:
    """Its tail, which says whether something is kept of reports."""
    if copy.report is not None:
        return copy.tail if REPORTED in copy.tail else merged(copy.tail, REPORTED)
    return merged(copy.tail, _UNREPORTED) if REPORTED in copy.tail else copy.tail


def report_copy(answer: Sequence[Any] | None) -> ReportCopy | None:
    """What ``report_records.lua`` answers of one message."""
    if answer is None:
        return None
    token, number, at, progress, checkpoint, expiry, lines = answer
    return ReportCopy(
        int(token), int(number), int(at), progress, checkpoint, tuple(lines), None if expiry < 0 else expiry
    )


def _packed_report(report: ReportCopy | None) -> bytes:
    """As ``shared/report_arrivals.lua`` reads it."""
    if report is None:
        return b""
    numbers = (b"%d" % number for number in (report.token, report.number, report.reported_at))
    return packed((*numbers, marked(report.progress), marked(report.checkpoint), *report.lines))


def fits(copy: Copy) -> bool:
    """Whether a copy can be stored here: another program may have damaged a header in the store that it comes from."""
    if not isinstance(copy, MessageCopy):
        return True
    head = _HEAD.fullmatch(_head(copy).decode()[:-1])
    return head is not None and (head["queue"], head["tail"]) == (copy.queue, _tail(copy))


def status_copy(uuid: str, data: bytes, expiry: bytes) -> StatusCopy | Unreadable:
    """Copy a status."""
    try:
        record = StatusRecord.unpack(uuid, data)
    except ValueError:
        return Unreadable(uuid, "it is no status")
    return StatusCopy(uuid, int(record.status), record.details, record.timestamp, _time(expiry), data)


def result_copy(uuid: str, progenitor: str | None, data: bytes, expiry: bytes) -> ResultCopy | Unreadable:
    """Copy a result."""
    try:
        record = ResultRecord.unpack(uuid, data)
    except ValueError:
        return Unreadable(uuid, "it is no result")
    mark = data[: len(data) - len(record.payload)]
    return ResultCopy(uuid, record.payload, record.timestamp, record.token, progenitor, _time(expiry), mark)


def letter_copy(uuid: str, queue: str, data: bytes, expiry: bytes) -> DeadLetterCopy | Unreadable:
    """Copy a dead letter; without what is kept of reports."""
    try:
        stamp, length, rest = data.split(b"|", 2)
        died_at, _, tail = stamp.decode().partition("^")
        error, payload = rest[: int(length)], rest[int(length) :]
        mark = data[: len(data) - len(payload)]
        return DeadLetterCopy(uuid, queue, payload, error, int(died_at), _time(expiry), tail, mark)
    except ValueError:
        return Unreadable(uuid, "it is no dead letter")


def value_copy(name: str, data: bytes, expiry: bytes) -> ValueCopy:
    """Copy a value."""
    return ValueCopy(name, data, _time(expiry), data)


def schedule_copy(name: str, data: bytes) -> ScheduleCopy | Unreadable:
    """Copy a schedule."""
    record = schedule_from(name, data)
    return Unreadable(name, "it is no schedule") if record is None else ScheduleCopy(*record, mark=data)


def _time(expiry: bytes) -> int | None:
    return int(expiry) if expiry else None


def _expiry(time: int | None) -> bytes:
    return b"" if time is None else b"%d" % time


def checked(copy: Copy) -> tuple[bytes, ...]:
    """What a copy is of: kind, name, and queue."""
    queue, name = copy.key
    return (_KINDS[type(copy)], name.encode(), queue.encode())


def asked(copy: Copy) -> tuple[bytes, ...]:
    """The arguments of a copy, as ``move_check.lua`` reads them."""
    key = tail_values(Submission, copy.tail).get("unique") if isinstance(copy, MessageCopy) else None
    return (*checked(copy), b"" if key is None else f":{key.key}".encode())


def departing(copy: Copy) -> tuple[bytes, ...]:
    """The arguments of a copy, as ``move_out.lua`` reads them."""
    kind, name, other = checked(copy)
    if isinstance(copy, ResultCopy):
        other = (copy.progenitor or "").encode()
    status = copy.status.mark if isinstance(copy, MessageCopy) and copy.status is not None else b""
    return (kind, name, other, copy.mark, status, _last_report(copy))


def _last_report(copy: Copy) -> bytes:
    """By which report a copy was made; empty if none was looked for."""
    if not isinstance(copy, MessageCopy | DeadLetterCopy) or REPORTED not in copy.tail:
        return b""
    return b"|" if copy.report is None else b"%d|%d" % (copy.report.token, copy.report.number)


def kind_letter(copy: Copy) -> bytes:
    """The letter of what a copy is of."""
    return _KINDS[type(copy)]


def arriving(copy: Copy) -> tuple[bytes, ...]:
    """The arguments of a copy, as ``move_in.lua`` reads them."""
    match copy:
        case MessageCopy():
            status = (
                (b"", b"") if copy.status is None else (_packed(copy.status), _expiry(copy.status.expiry))
            )
            suspect = b"1" if copy.suspect else b"0"
            place = (_expiry(copy.due), suspect)
            what = (copy.uuid.encode(), _head(copy), copy.payload, *place, *status, too_late(copy.uuid))
            return (*what, _packed_report(copy.report))
        case DeadLetterCopy(uuid, queue, payload, error, died_at, expiry):
            letter = (uuid.encode(), queue.encode(), payload, error, b"%d" % died_at, _tail(copy).encode())
            return (*letter, _expiry(expiry), _packed_report(copy.report))
        case ResultCopy(uuid, payload, timestamp, token, progenitor, expiry):
            numbers = (b"%d" % timestamp, b"%d" % token)
            return (uuid.encode(), payload, *numbers, (progenitor or "").encode(), _expiry(expiry))
        case StatusCopy():
            return (copy.uuid.encode(), _packed(copy), _expiry(copy.expiry))
        case ValueCopy(name, value, expiry):
            return (name.encode(), value, _expiry(expiry))
        case ScheduleCopy():
            return (copy.name.encode(), record_of(ScheduleRecord(*copy[:-1])))


def _packed(copy: StatusCopy) -> bytes:
    return StatusRecord(copy.uuid, TaskStatus(copy.status), copy.details, copy.timestamp).pack()
