"""Converts the records of the ports to arguments of scripts, and the answers of scripts to records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final, cast

from alsek.storage.backends.header import LINE, step_changes, submission_tail, tail_values
from alsek.storage.backends.kinds import WISH_LETTERS, is_async
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    Corrupt,
    DeadLetter,
    Failed,
    GroupSubmission,
    Lost,
    Outcome,
    Pushed,
    Released,
    Report,
    ReportRecord,
    Retried,
    SetAside,
    Stored,
    Submission,
    Succeeded,
    TakenOver,
)
from alsek.storage.backends.states import MessageState, UuidState
from alsek.types import Wish

_WISH: Final[Mapping[Wish, bytes]] = {wish: letter.encode() for wish, letter in WISH_LETTERS.items()}

#: Of those that only messages of ``async def`` tasks have.
_ASYNC: Final = frozenset(letter for wish, letter in _WISH.items() if is_async(wish))

#: The same in capitals, for a message whose uuid may have been used before: so the others pay no byte for it.
_WISH_NAMED: Final = {wish: letter.upper() for wish, letter in _WISH.items()}

#: The fields of a record's line, the version before them.
_LINE: Final = ("version", *(field.name for field in LINE))


def _picker(*names: str) -> Callable[[list[bytes]], tuple[bytes, ...]]:
    """Takes these fields out of a line that has been split."""
    return itemgetter(*(_LINE.index(name) for name in names))


_FOR_CLAIMED: Final = _picker("wish", "queue", "losses", "revoked", "request")
_FOR_STORED: Final = _picker("queue", "priority", "losses", "revoked", "request")


def submission_arguments(submission: Submission) -> tuple[bytes, ...]:
    """The arguments of a submission, as ``shared/submissions.lua`` reads them."""
    uuid, queue, payload, priority, wish, delay, ttl, status_ttl, named = submission[:9]
    return (
        uuid.encode(),
        queue.encode(),
        payload,
        b"%d" % priority,
        _WISH_NAMED[wish] if named else _WISH[wish],
        b"%d" % delay,
        b"%d" % ttl,
        b"%d" % status_ttl,
        b"" if submission_tail is None else submission_tail(submission).encode(),
    )


def added_from(uuid: str, answer: bytes | int | list[Any]) -> Added:
    """The answer of ``add.lua`` to one submission: 1, or the state of the existing message, 0 if that is unknown.

    With a unique key also 1 and the uuid under which it is stored, or 0, and uuid and state of the key's holder.
    """
    if answer == 1:
        return ACCEPTED
    if isinstance(answer, list):
        accepted, under, *state = answer
        return Added(True, under.decode()) if accepted else added_from(under.decode(), state[0])
    return Added(False, uuid, cast(UuidState, answer.decode()) if isinstance(answer, bytes) else None)


def group_arguments(group: GroupSubmission) -> tuple[bytes, ...]:
    """The arguments of a new group, as ``shared/group_creation.lua`` reads them."""
    callback = () if group.callback is None else submission_arguments(group.callback)
    return (
        group.id.encode(),
        b"%d" % group.total,
        b"1" if group.stop else b"0",
        b"%d" % group.ttl,
        b"" if group.parent is None else group.parent.text().encode(),
        uuids_argument(group.unreachable),
        packed(callback),
    )


def packed(parts: Iterable[bytes]) -> bytes:
    """Several texts as one argument, as ``shared/packed.lua`` reads them."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def report_arguments(report: Report) -> tuple[bytes, ...]:
    """The arguments of a report, as ``shared/outcomes.lua`` describes them."""
    return (
        b"N",
        report.uuid.encode(),
        b"%d" % report.token,
        b"%d" % report.number,
        marked(report.progress),
        marked(report.checkpoint),
        b"%d" % report.keep,
        packed(report.lines[-report.keep :]) if report.keep else b"",
    )


def marked(value: bytes | None) -> bytes:
    """A value that may be missing as one argument."""
    return b"" if value is None else b"=%b" % value


def report_from(uuid: str, answer: Sequence[Any] | None) -> ReportRecord | None:
    """What ``report_records.lua`` answers of one message."""
    if answer is None:
        return None
    token, _, at, progress, checkpoint, _, lines = answer
    return ReportRecord(uuid, int(token), int(at), progress, checkpoint, tuple(lines))


def uuids_argument(uuids: Sequence[str]) -> bytes:
    """Uuids as one argument: none has a line feed."""
    return "\n".join(uuids).encode()


def outcome_arguments(outcome: Outcome) -> tuple[bytes, ...]:
    """The arguments of an outcome, as ``shared/outcomes.lua`` reads them."""
    uuid, token = outcome.uuid.encode(), b"%d" % outcome.token
    # Nearly all; a match takes longer than the rest.
    if (
        type(outcome) is Succeeded
        and outcome.result is None
        and outcome.callback is None
        and not (outcome.group_result or outcome.groups)
    ):
        return (b"F", uuid, token)
    match outcome:
        case Succeeded():
            own: tuple[bytes, ...] = (b"F", uuid, token)
            if outcome.result is not None:
                progenitor = (outcome.progenitor or "").encode()
                own = (b"S", uuid, token, b"%d" % outcome.result_ttl, progenitor, outcome.result)
                if outcome.group_result and outcome.group_result == outcome.result:
                    own = (*own, b"H")
            if outcome.callback is not None:
                own = (*own, b"C", *submission_arguments(outcome.callback))
            if outcome.group_result and outcome.group_result != outcome.result:
                own = (*own, b"G", outcome.group_result)
            for group in outcome.groups:
                own = (*own, b"B", *group_arguments(group))
            members = ((b"M", *submission_arguments(member)) for member in outcome.members)
            return (*own, *chain.from_iterable(members))
        case Retried():
            own = (uuid, token, b"%d" % outcome.delay, step_changes(outcome).encode())
            return (b"T", *own) if outcome.payload is None else (b"U", *own, outcome.payload)
        case Failed():
            letter = b"V" if outcome.revoked else b"D"
            return (letter, uuid, token, b"%d" % outcome.dlq_ttl, outcome.error, *_after_failure(outcome))
        case Released():
            return (b"R", uuid, token)
        case Lost():
            return (b"L", uuid, token, b"1" if outcome.suspect else b"0")
        case SetAside():
            ttl, wait = b"%d" % outcome.dlq_ttl, b"1" if outcome.wait else b"0"
            own = (b"A", uuid, token, ttl, outcome.error, outcome.task.encode(), wait)
            return (*own, *_after_failure(outcome))
        case Report():
            return report_arguments(outcome)


def _after_failure(outcome: Failed | SetAside) -> tuple[bytes, ...]:
    """What follows if the message fails."""
    callback = () if outcome.callback is None else (b"C", *submission_arguments(outcome.callback))
    return (b"X", uuids_argument(outcome.unreachable), *callback) if outcome.unreachable else callback


def _split(record: bytes) -> tuple[list[bytes], bytes]:
    """The fields of a record's line (``shared/base.lua``), and its payload."""
    line, _, payload = record.partition(b"\n")
    return line.split(b"|", len(LINE)), payload


def _tail(request: bytes) -> str:
    """The tail, which follows the request in a record's line."""
    return request[request.index(b";") :].decode("utf-8", "replace")


@lru_cache(maxsize=256)
def _values_for_claimed(tail: str) -> Mapping[str, Any]:
    """Return what a tail says to the worker that claims the message. Messages of one task often have the same."""
    return tail_values(Claimed, tail)


def claimed_from(reply: Sequence[bytes | int]) -> list[Claimed]:
    """What ``claim()`` in ``shared/claims.lua`` answers: uuid, token, flags, record of each."""
    claimed = []
    fields = cast(Iterator[Any], iter(reply))
    for uuid, token, flags, record in zip(fields, fields, fields, fields, strict=True):
        line, payload = _split(record)
        wish, queue, losses, revoked, request = _FOR_CLAIMED(line)
        one = Claimed(
            uuid.decode(),
            queue.decode(),
            payload,
            int(token),
            int(losses),
            revoked == b"1",
            flags & 2 != 0,
            flags & 1 != 0,
        )
        if b";" in request and (values := _values_for_claimed(_tail(request))):
            one = one._replace(**values)
        if wish in _ASYNC:
            one = one._replace(is_async=True)
        claimed.append(one)
    return claimed


def pushed_from(published: bytes) -> Pushed:
    """What ``shared/pushes.lua`` publishes.

    Raises:
        ValueError: It is something else.
    """
    seq, token, uuid, record = published.split(b"\n", 3)
    (claimed,) = claimed_from((uuid, int(token), 0, record))
    return Pushed(int(seq), claimed)


def stored_from(uuid: str, state: MessageState, record: bytes) -> Stored:
    """The stored message of a record."""
    line, payload = _split(record)
    queue, priority, losses, revoked, request = _FOR_STORED(line)
    stored = Stored(uuid, queue.decode(), payload, int(priority), state, int(losses), revoked == b"1")
    return stored._replace(**tail_values(Stored, _tail(request))) if b";" in request else stored


def corrupt_from(reply: Sequence[bytes]) -> list[Corrupt]:
    """Corrupt records and overwritten keys: uuid, queue, reason of each."""
    texts = [text.decode("utf-8", "replace") for text in reply]
    return [Corrupt(*texts[i : i + 3]) for i in range(0, len(texts), 3)]


def names_from(reply: Sequence[bytes]) -> tuple[str, ...]:
    """Names in alphabetical order."""
    return tuple(sorted(name.decode() for name in reply))


def taken_over_from(reply: Sequence[Any]) -> tuple[TakenOver, ...]:
    """Workers that were lost: name, number of messages, and facts of each."""
    return tuple(
        TakenOver(reply[i].decode(), reply[i + 1], *_host_and_pid(reply[i + 2]))
        for i in range(0, len(reply), 3)
    )


def _host_and_pid(told: bytes) -> tuple[str, int]:
    """What a worker has told of itself when it registered (``register.lua``)."""
    if not told:
        return "", 0
    facts = json.loads(told.split(b"|", 3)[3])
    return facts["host"], facts["pid"]


def dead_letter_from(uuid: str, queue: str, letter: bytes) -> DeadLetter:
    """What ``dead_letter()`` in ``shared/dead_letters.lua`` wrote."""
    died_at, length, rest = letter.split(b"|", 2)
    error, payload = rest[: int(length)], rest[int(length) :]
    died_at, _, tail = died_at.partition(b"^")
    attempt = tail_values(DeadLetter, tail.decode("utf-8", "replace"))
    return DeadLetter(uuid, queue, payload, error, int(died_at), **attempt)
