"""The limits of a store, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alsek.core.inspection.wording import span
from alsek.core.keys.texts import readable
from alsek.core.short_repr import shown
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import LimitRecord


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A limit that messages name, or named until a short time ago.

    Attributes:
        id: Its name in the store.
        kind: ``"concurrency"`` or ``"rate"``.
        key: Its key, as it was given.
        amount: How many may run at once, or start within `per`: as the last submission said.
        per: The length (ms) of a rate's window; None for a concurrency.
        used: How many places are taken up.
        waiting: How many messages wait for it now: those of the lines that stand at it.
        held_by: The uuids of messages that take up a place, at most 100 of them, in order. Those of a concurrency are
            ready or running, those of a rate are ready; its other places are starts within the window.
        next_free: When a place of a rate is free again because a start leaves the window: Unix milliseconds on the
            store's clock. None if one is free, and for a concurrency, whose places are free when a message ends.
    """

    id: str
    kind: Literal["concurrency", "rate"]
    key: str
    amount: int
    per: int | None
    used: int
    waiting: int
    held_by: tuple[str, ...] = ()
    next_free: int | None = None

    @property
    def full(self) -> bool:
        """True if no place is free."""
        return self.used >= self.amount


def limits_of(port: MessagePort, ids: Sequence[str] | None = None) -> list[LimitInfo]:
    """Return the limits of these ids that the store knows; None for all, in the order of their ids."""
    return [limit_info(record) for record in port.limits(ids)]


def limit_info(record: LimitRecord) -> LimitInfo:
    """Return a limit as users see it."""
    return LimitInfo(
        record.id,
        "rate" if record.per else "concurrency",
        readable(record.id.partition(":")[2]),
        record.amount,
        record.per or None,
        record.used,
        record.waiting,
        tuple(sorted(record.admitted)),
        record.next_free,
    )


def named(limit: LimitInfo) -> str:
    """Return a limit as a part of a sentence: ``the rate 'mail-api' (100 in 1 min)``."""
    much = f"{limit.amount:,} at a time" if limit.per is None else f"{limit.amount:,} in {span(limit.per)}"
    return f"the {limit.kind} {shown(limit.key)} ({much})"
