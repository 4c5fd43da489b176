"""What a step says of kinds of slots: how many messages a worker can start, and for which kinds more messages wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, WorkerKind, slots_of_step

#: By kind of worker and the number in the answer of ``step.lua``, for which kinds of slots messages wait.
WAITING: Final[Mapping[WorkerKind, tuple[tuple[SlotKind, ...], ...]]] = {
    kind: ((), slots[:1], ("coroutine",), (slots[0], "coroutine")) for kind, slots in SLOTS_OF.items()
}


def limits_argument(kind: WorkerKind, limits: Mapping[SlotKind, int], tells: bool = False) -> bytes:
    """The limit of a step, or its limits (``shared/slots.lua``).

    Args:
        kind: The kind of the worker.
        limits: The limits.
        tells: The step tells of sleep (:func:`sleep_argument`).
    """
    first, *others = (limits.get(slot, 0) for slot in slots_of_step(kind, limits))
    return b"/".join(b"%d" % limit for limit in (-1 - first if tells else first, *others))


def sleep_argument(sleeps: bool, received: int | None) -> bytes:
    """What a step tells of sleep and pushes (``shared/sleeping_steps.lua``)."""
    return (b"s" if sleeps else b"") + (b"" if received is None else b"%d" % received)
