"""What a message asks of its store besides a place in a queue: a unique key, limits."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

#: Until when a message holds its unique key: until it has ended, or until it is first claimed.
HeldUntil: TypeAlias = Literal["ended", "started"]

#: What a submission does if another message holds its unique key.
Conflict: TypeAlias = Literal["existing", "raise", "replace"]

_UNTIL: Final[dict[HeldUntil, str]] = {"ended": "e", "started": "s"}
_CONFLICT: Final[dict[Conflict, str]] = {"existing": "x", "raise": "r", "replace": "p"}
_UNTIL_OF: Final[dict[str, HeldUntil]] = {letter: name for name, letter in _UNTIL.items()}
_CONFLICT_OF: Final[dict[str, Conflict]] = {letter: name for name, letter in _CONFLICT.items()}
_UNIQUE: Final = re.compile(r"([es])([xrp])(\d+):(.*)", re.DOTALL)
_LIMIT: Final = re.compile(r"(?:c(\d+)|r(\d+)/(\d+)):(.*)", re.DOTALL)


class UniqueKey(NamedTuple):
    """A key that one message of the namespace holds at a time.

    Attributes:
        key: Text without ``% | ; ,`` and line feeds: see :mod:`alsek.core.keys`.
        until: ``"ended"``: the message holds it from submission until it has ended, retries and delays included.
            ``"started"``: until it is first claimed.
        conflict: What this submission does if another message holds the key. ``"existing"`` and ``"raise"`` are the
            same for a store: it is refused.
        window: For how long (ms) from submission the key is held at least, also if the message has ended; 0 for none.
    """

    key: str
    until: HeldUntil = "ended"
    conflict: Conflict = "existing"
    window: int = 0

    def text(self) -> str:
        """Return it as it stands in the tail of a header: ``[es][xrp]<window>:<key>``."""
        return f"{_UNTIL[self.until]}{_CONFLICT[self.conflict]}{self.window}:{self.key}"

    @classmethod
    def of_text(cls, text: str) -> UniqueKey:
        """Read what :meth:`text` made.

        Raises:
            ValueError: It is no such text.
        """
        found = _UNIQUE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no unique key")
        return cls(found[4], _UNTIL_OF[found[1]], _CONFLICT_OF[found[2]], int(found[3]))


class Limit(NamedTuple):
    """How many messages with this key may run at once, or start within a time.

    Attributes:
        key: As in :class:`UniqueKey`. A concurrency and a rate of the same key are two limits.
        amount: How many; at least 1.
        per: 0: so many may run at once. Else so many may start in any window of this length (ms).
    """

    key: str
    amount: int
    per: int = 0

    @property
    def id(self) -> str:
        """Its name in the store: ``c:<key>`` for a concurrency, ``r:<key>`` for a rate."""
        return f"{'r' if self.per else 'c'}:{self.key}"

    def text(self) -> str:
        """Return it as it stands in the tail of a header: ``c<amount>:<key>`` or ``r<amount>/<per>:<key>``."""
        return f"r{self.amount}/{self.per}:{self.key}" if self.per else f"c{self.amount}:{self.key}"

    @classmethod
    def of_text(cls, text: str) -> Limit:
        """Read what :meth:`text` made.

        Raises:
            ValueError: It is no such text.
        """
        found = _LIMIT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no limit")
        if found[1] is not None:
            return cls(found[4], int(found[1]))
        return cls(found[4], int(found[2]), int(found[3]))


def limits_text(limits: tuple[Limit, ...]) -> str:
    """Return limits as they stand in the tail of a header: with commas between them, in the order of their ids."""
    return ",".join(limit.text() for limit in sorted(limits, key=lambda limit: limit.id))


@lru_cache(maxsize=1_024)
def limits_of_text(text: str) -> tuple[Limit, ...]:
    """Read what :func:`limits_text` made. Messages of one task often have the same.

    Raises:
        ValueError: It is no such text.
    """
    return tuple(Limit.of_text(each) for each in text.split(",")) if text else ()


class LimitRecord(NamedTuple):
    """A limit as the store knows it. A limit that no stored message names may be forgotten.

    Attributes:
        id: As :attr:`Limit.id`.
        amount: As the last submission said.
        per: Likewise.
        admitted: The uuids of messages that take up a place of it, at most 100 of them. For a concurrency these are
            ready or claimed, for a rate they are ready.
        used: How many places are taken up: for a rate by ready messages and by starts within the window.
        waiting: How many messages wait for it now: those of the lines that stand at it.
        next_free: For a rate whose places are all taken up: when a start leaves the window, in Unix milliseconds on
            the store's clock. None if a place is free, if none of them is a start, and for a concurrency.
    """

    id: str
    amount: int
    per: int
    admitted: tuple[str, ...]
    used: int
    waiting: int
    next_free: int | None = None


class UniqueRecord(NamedTuple):
    """Who holds a unique key.

    Attributes:
        key: The key.
        holder: The uuid of the message that holds it; of the last one if only its window is left.
        waiting: The uuid of the message that waits for the end of the holder; empty if none does.
        held_until: When the window ends: Unix milliseconds on the store's clock; 0 if there is none. One that is over
            may be told, or not.
    """

    key: str
    holder: str
    waiting: str = ""
    held_until: int = 0
