"""The answer of a step, and its text in the store, from which a repeated step is answered."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from alsek.storage.backends.kinds import SUSPECT_RULES, SlotKind, WorkerKind, slots_of_step
from alsek.storage.backends.records import Corrupt, Step, Worker

#: What :func:`pack` makes of most answers.
_NOTHING: Final = "[[],[],[],null,0,0]"


#: The limits of a step that seeks messages of ``async def`` tasks.
_SEEKING: Final[tuple[SlotKind]] = ("coroutine",)


class Left(NamedTuple):
    """For which slot kinds messages are left ready in a worker's queues.

    Attributes:
        plain: Messages that are no suspects.
        suspects: Suspects.
    """

    plain: tuple[SlotKind, ...]
    suspects: tuple[SlotKind, ...]


def _told(kind: WorkerKind) -> tuple[SlotKind, ...]:
    """The slot kinds of which an answer may say that messages are left; in the store, each is a bit."""
    return slots_of_step(kind, _SEEKING)


def answer(
    worker: Worker, plain: tuple[SlotKind, ...], suspects: tuple[SlotKind, ...], due: int | None, now: int
) -> Step:
    """Return the answer of a step that changed nothing.

    Args:
        worker: The worker.
        plain: For which slots messages that are no suspects are left ready in the worker's queues.
        suspects: For which suspects are.
        due: When the next delayed message is due; None if none is delayed.
        now: The store's time.
    """
    rule = SUSPECT_RULES[worker.suspects]
    return Step(
        refused=[],
        claimed=[],
        next_due=None if due is None else max(due - now, 0),
        waiting=_waiting(worker.kind, plain if rule.plain else (), suspects if rule.freely else ()),
        suspects=bool(suspects) and not rule.freely,
        skipped=[],
        corrupt=[],
    )


def _waiting(kind: WorkerKind, *left: tuple[SlotKind, ...]) -> tuple[SlotKind, ...]:
    if not any(left):
        return ()
    return tuple(slot for slot in _told(kind) if any(slot in slots for slots in left))


def pack(worker: Worker, step: Step, due: int | None) -> str:
    """Return an answer without its claims as text."""
    refused, _, _, waiting, suspects, skipped, corrupt, _, failed, _, _, _ = step
    if due is None and not (refused or skipped or corrupt or waiting or suspects or failed):
        return _NOTHING
    bits = sum(1 << bit for bit, slot in enumerate(_told(worker.kind)) if slot in waiting)
    fields: list[Any] = [refused, skipped, corrupt, due, bits, int(suspects)]
    if failed:
        fields.append(failed)
    return json.dumps(fields, separators=(",", ":"))


def unpack(worker: Worker, text: str, now: int) -> Step:
    """Return the answer that :func:`pack` made this text of, without claims."""
    fields: list[Any] = json.loads(text)
    refused, skipped, corrupt, due, waiting, suspects, *failed = fields
    return Step(
        refused=refused,
        claimed=[],
        next_due=None if due is None else max(due - now, 0),
        waiting=tuple(slot for bit, slot in enumerate(_told(worker.kind)) if waiting >> bit & 1),
        suspects=bool(suspects),
        skipped=skipped,
        corrupt=[Corrupt(*each) for each in corrupt],
        failed=tuple(failed[0]) if failed else (),
    )


def copy(step: Step) -> Step:
    """Return an answer that changed nothing with new lists: its caller may change them."""
    return step._replace(refused=[], claimed=[], skipped=[], corrupt=[])
