"""What a look at a store finds that its operator should know."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

#: ``"error"``: messages may be lost, or nothing works. ``"warning"``: it may become so, or could not be told.
Level: TypeAlias = Literal["ok", "warning", "error"]

#: Clocks that differ by more are reported.
MOST_CLOCK_DIFFERENCE_MS: Final = 1_000


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        subject: What, in a word: ``"persistence"``.
        level: Whether it is well.
        text: What was found and, if it is not well, what to do; as a sentence.
    """

    subject: str
    level: Level
    text: str


def clock_finding(store_ms: int, before_ms: int, after_ms: int) -> Finding:
    """Compare the store's clock with that of this machine.

    Args:
        store_ms: What the store's clock said: Unix milliseconds.
        before_ms: What this machine's clock said just before it was asked.
        after_ms: What this machine's clock said once it had answered.
    """
    # The store's clock was read between the two times: only what lies outside is a difference.
    difference = max(before_ms - store_ms, store_ms - after_ms, 0)
    if difference <= MOST_CLOCK_DIFFERENCE_MS:
        return Finding("clock", "ok", "The store's clock agrees with that of this machine.")
    way = "behind" if store_ms < before_ms else "ahead of"
    return Finding(
        "clock",
        "error",
        f"The store's clock is {difference / 1_000:.1f} s {way} that of this machine: synchronize both (NTP); delays "
        "and leases count on the store's clock, and times that producers write differ from it.",
    )
