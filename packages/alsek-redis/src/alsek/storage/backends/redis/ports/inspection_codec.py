"""Converts what scripts answer to the records of an inspection; and facts to arguments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, cast

from alsek.storage.backends.header import LINE
from alsek.storage.backends.kinds import WISH_LETTERS, WorkerKind
from alsek.storage.backends.records import (
    Aside,
    HeldClaim,
    HistoryRow,
    LimitRecord,
    Located,
    Pause,
    QueueTally,
    Running,
    Worker,
    WorkerFacts,
    WorkerRecord,
    facts_of,
    running_of,
)
from alsek.storage.backends.redis.ports.codec import stored_from
from alsek.storage.backends.states import MessageState
from alsek.types import Wish

_FIELDS: Final = ("version", *(field.name for field in LINE))
_WISH_AT, _EXPIRY_AT, _QUEUE_AT = (_FIELDS.index(name) for name in ("wish", "expiry", "queue"))
_WISHES: Final[dict[bytes, Wish]] = {letter.encode(): wish for wish, letter in WISH_LETTERS.items()}

#: The flag of a claim on a suspect.
_SUSPECT: Final = 1


def facts_arguments(worker: Worker, facts: WorkerFacts) -> tuple[bytes, ...]:
    """The arguments of ``register.lua`` with what a worker tells of itself."""
    told = {"queues": worker.queues, **facts._asdict()}
    tasks = facts.tasks or ()
    return (
        worker.kind.encode(),
        b"1" if facts.tasks is None else b"0",
        json.dumps(told).encode(),  # shared/schedule_offers.lua looks for "fires": true in it
        *(task.encode() for task in tasks),
    )


def running_argument(running: Sequence[Running]) -> bytes:
    """The argument of ``renew.lua`` with what a worker runs."""
    return json.dumps([list(each) for each in running]).encode()


def worker_from(answer: Sequence[bytes]) -> WorkerRecord:
    """A worker of ``worker_records.lua``."""
    name, lease_end, lease, told, runs, *held = answer
    claims = (_held_claim(held[i], held[i + 1]) for i in range(0, len(held), 2))
    record = WorkerRecord(
        name.decode(),
        int(lease) if lease.removeprefix(b"+").isdigit() else 0,
        int(float(lease_end)),
        claims=tuple(sorted((claim for claim in claims if claim is not None), key=lambda claim: claim.token)),
        running=running_of(json.loads(runs)) if runs else (),
    )
    return record if not told else _with_facts(record, told)


def _with_facts(record: WorkerRecord, told: bytes) -> WorkerRecord:
    since, kind, _, text = told.split(b"|", 3)
    facts = json.loads(text)
    queues = facts["queues"]
    return record._replace(
        registered_at=int(since),
        kind=cast(WorkerKind, kind.decode()),
        queues=None if queues is None else tuple(queues),
        facts=facts_of(facts),
    )


def _held_claim(uuid: bytes, claim: bytes) -> HeldClaim | None:
    """Of ``token|step|flags|header``; None if another program wrote it."""
    token, *rest = claim.split(b"|", 3 + _QUEUE_AT)
    if len(rest) < 2 + len(_FIELDS):
        return None
    return HeldClaim(uuid.decode(), rest[-1].rstrip(b"\n").decode(), int(token))


def located_from(uuid: str, answer: Sequence[Any]) -> Located:
    """What ``find.lua`` answers."""
    state, record, due, ready_class, worker, claim, waits_for = answer
    named, _, place = waits_for.decode().partition("|")
    suspect, _, aside = ("", "", "") if named.startswith("u:") else place.partition("|")
    line = record.partition(b"\n")[0].split(b"|", _QUEUE_AT)
    expiry = int(line[_EXPIRY_AT])
    flags = claim.split(b"|", 3)[2] if claim else b"0"
    return Located(
        stored_from(uuid, cast(MessageState, state.decode()), record),
        _WISHES[line[_WISH_AT]],
        ready_class.startswith(b"suspects") or int(flags) & _SUSPECT != 0 or suspect == "1",
        due if state == b"delayed" else None,
        expiry if expiry and state != b"delayed" else None,
        worker.decode() or None,
        ready_class.partition(b"aside:")[2].decode().removesuffix("\n") or aside.partition("\n")[2],
        named,
    )


def limit_from(answer: Sequence[Any]) -> LimitRecord:
    """A limit of ``limit_records.lua``."""
    amount, per, taken, starts, waiting, oldest = map(int, answer[1:7])
    used = taken + starts
    next_free = oldest + per if starts and used >= amount else None
    admitted = tuple(sorted(uuid.decode() for uuid in answer[7]))
    return LimitRecord(answer[0].decode(), amount, per, admitted, used, waiting, next_free)


def pause_from(queue: str, pause: bytes) -> Pause:
    """A pause, as ``pause.lua`` stores it: ``since|by``."""
    since, _, by = pause.partition(b"|")
    return Pause(queue, by.decode(), int(since))


def tally_from(queue: str, counts: Sequence[Any]) -> QueueTally:
    """Of one queue of ``tallies.lua``."""
    total, ready, claimed, dead, pause, waiting = counts
    # Without what another program has changed, none of these is below 0.
    delayed = max(total - ready - claimed - waiting, 0)
    paused = pause_from(queue, pause) if pause else None
    return QueueTally(queue, ready, delayed, claimed, dead, paused, waiting)


def aside_from(answer: Sequence[Any]) -> list[Aside]:
    """The counts of ``aside.lua``, in order."""
    counts: dict[tuple[str, str], int] = {}
    for i in range(0, len(answer), 3):
        key = answer[i].decode(), answer[i + 1].decode()
        counts[key] = counts.get(key, 0) + answer[i + 2]
    return [Aside(*key, number) for key, number in sorted(counts.items())]


def history_from(answer: Sequence[Any]) -> list[HistoryRow]:
    """The rows of ``history.lua``, in order."""
    rows = []
    for i in range(0, len(answer), 2):
        minute, fields = answer[i], answer[i + 1]
        for k in range(0, len(fields), 2):
            length, _, names = fields[k].partition(b"|")
            queue, task = names[: int(length)].decode(), names[int(length) :].decode()
            rows.append(HistoryRow(minute, queue, task, fields[k + 1].decode()))
    return sorted(rows)
