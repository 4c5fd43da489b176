"""The answer of a step, and its text in the store, from which a repeated step is answered."""

from __future__ import annotations

import json
from typing import Any, Final

from alsek.storage.backends.kinds import SLOTS_OF, SUSPECT_RULES
from alsek.storage.backends.records import Corrupt, Step, Worker

#: What :func:`pack` makes of most answers.
_NOTHING: Final = "[[],[],[],null,0,0]"


def answer(worker: Worker, plain: bool, suspects: bool, due: int | None, now: int) -> Step:
    """Return the answer of a step that changed nothing.

    Args:
        worker: The worker.
        plain: Messages that are no suspects are left ready in the worker's queues.
        suspects: Suspects are left ready in them.
        due: When the next delayed message is due; None if none is delayed.
        now: The store's time.
    """
    rule = SUSPECT_RULES[worker.suspects]
    return Step(
        refused=[],
        claimed=[],
        next_due=None if due is None else max(due - now, 0),
        waiting=SLOTS_OF[worker.kind] if (plain and rule.plain) or (suspects and rule.freely) else (),
        suspects=suspects and not rule.freely,
        skipped=[],
        corrupt=[],
    )


def pack(step: Step, due: int | None) -> str:
    """Return an answer without its claims as text."""
    refused, _, _, waiting, suspects, skipped, corrupt, _, failed = step
    if due is None and not (refused or skipped or corrupt or waiting or suspects or failed):
        return _NOTHING
    fields: list[Any] = [refused, skipped, corrupt, due, int(bool(waiting)), int(suspects)]
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
        waiting=SLOTS_OF[worker.kind] if waiting else (),
        suspects=bool(suspects),
        skipped=skipped,
        corrupt=[Corrupt(*each) for each in corrupt],
        failed=tuple(failed[0]) if failed else (),
    )


def copy(step: Step) -> Step:
    """Return an answer that changed nothing with new lists: its caller may change them."""
    return step._replace(refused=[], claimed=[], skipped=[], corrupt=[])
