"""Between the plain values of a port and what scripts take and answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    Corrupt,
    DeadLetter,
    Died,
    Lost,
    Outcome,
    Released,
    Retried,
    Stored,
    Submission,
    Succeeded,
    TakenOver,
)
from alsek.storage.backends.states import MessageState, UuidState

_WISH: Final = {"any": b"a", "thread": b"t", "process": b"p"}

#: The same in capitals, of a message whose uuid may have been used before: so the others pay no byte for it.
_WISH_NAMED: Final = {"any": b"A", "thread": b"T", "process": b"P"}


def submission_arguments(submission: Submission) -> tuple[bytes, ...]:
    """As ``shared/submissions.lua`` reads it."""
    uuid, queue, payload, priority, wish, delay, ttl, status_ttl, named = submission
    return (
        uuid.encode(),
        queue.encode(),
        payload,
        b"%d" % priority,
        _WISH_NAMED[wish] if named else _WISH[wish],
        b"%d" % delay,
        b"%d" % ttl,
        b"%d" % status_ttl,
    )


def added_from(uuid: str, answer: bytes | int) -> Added:
    """The answer of ``add.lua`` to one submission: 1, or the state of the existing message, 0 if that is unknown."""
    if answer == 1:
        return ACCEPTED
    return Added(False, uuid, cast(UuidState, answer.decode()) if isinstance(answer, bytes) else None)


def outcome_arguments(outcome: Outcome) -> tuple[bytes, ...]:
    """As ``shared/outcomes.lua`` reads it."""
    uuid, token = outcome.uuid.encode(), b"%d" % outcome.token
    # Nearly all; a match takes longer than the rest.
    if type(outcome) is Succeeded and outcome.result is None and outcome.callback is None:
        return (b"F", uuid, token)
    match outcome:
        case Succeeded():
            own: tuple[bytes, ...] = (b"F", uuid, token)
            if outcome.result is not None:
                progenitor = (outcome.progenitor or "").encode()
                own = (b"S", uuid, token, b"%d" % outcome.result_ttl, progenitor, outcome.result)
            if outcome.callback is not None:
                own = (*own, b"C", *submission_arguments(outcome.callback))
            return own
        case Retried():
            return (b"T", uuid, token, b"%d" % outcome.delay, outcome.payload)
        case Died():
            return (b"D", uuid, token, b"%d" % outcome.dlq_ttl, outcome.error)
        case Released():
            return (b"R", uuid, token)
        case Lost():
            return (b"L", uuid, token, b"1" if outcome.suspect else b"0")


def _split(record: bytes) -> tuple[list[bytes], bytes]:
    """The fields of a record's head (``shared/base.lua``), and its payload."""
    head, _, payload = record.partition(b"\n")
    return head.split(b"|", 10), payload


def claimed_from(reply: Sequence[bytes | int]) -> list[Claimed]:
    """What ``claim()`` in ``shared/claims.lua`` answers: uuid, token, flags, record of each."""
    claimed = []
    fields = cast(Iterator[Any], iter(reply))
    for uuid, token, flags, record in zip(fields, fields, fields, fields, strict=True):
        head, payload = _split(record)
        claimed.append(
            Claimed(
                uuid.decode(),
                head[10].decode(),
                payload,
                int(token),
                int(head[4]),
                head[8] == b"1",
                flags & 2 != 0,
                flags & 1 != 0,
            )
        )
    return claimed


def stored_from(uuid: str, state: MessageState, record: bytes) -> Stored:
    """A record, for whoever looks on."""
    head, payload = _split(record)
    return Stored(uuid, head[10].decode(), payload, int(head[2]), state, int(head[4]), head[8] == b"1")


def corrupt_from(reply: Sequence[bytes]) -> list[Corrupt]:
    """What was set aside: uuid, queue, reason of each."""
    texts = [text.decode("utf-8", "replace") for text in reply]
    return [Corrupt(*texts[i : i + 3]) for i in range(0, len(texts), 3)]


def taken_over_from(reply: Sequence[Any]) -> tuple[TakenOver, ...]:
    """Workers that were lost: name and number of messages of each."""
    return tuple(TakenOver(reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2))


def dead_letter_from(uuid: str, queue: str, letter: bytes) -> DeadLetter:
    """What ``dead_letter()`` in ``shared/dead_letters.lua`` wrote."""
    died_at, length, rest = letter.split(b"|", 2)
    error, payload = rest[: int(length)], rest[int(length) :]
    return DeadLetter(uuid, queue, payload, error, int(died_at))
