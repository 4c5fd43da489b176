"""What a step says of kinds of slots: how many messages a worker can start, and for which kinds more messages wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, WorkerKind, slots_of_step

#: By kind of worker and the number in the answer of ``step.lua``, for which kinds of slots messages wait.
WAITING: Final[Mapping[WorkerKind, tuple[tuple[SlotKind, ...], ...]]] = {
    kind: ((), slots[:1], ("coroutine",), (slots[0], "coroutine")) for kind, slots in SLOTS_OF.items()
}


def limits_argument(kind: WorkerKind, limits: Mapping[SlotKind, int]) -> bytes:
    """The limit of a step, or its limits (``shared/slots.lua``)."""
    return b"/".join(b"%d" % limits.get(slot, 0) for slot in slots_of_step(kind, limits))
