"""What ties a message to more than its queue: a unique key, limits, a place in a group, a group that it joins.

They stand in the tail of its header. A plain message has none of them: nothing here is run for one whose tail is empty,
and no statement for any other. Of a claimed message, :data:`BOUND` in its claim says whether it has any, and
:data:`HAS_REPORTS` whether something is kept of reports on it, so that its tail is read only then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.header import tail_values
from alsek.storage.backends.records import GroupPlace, Limit, UniqueKey
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction

#: The bits of the column `expired` of `claims`: it had expired when it was claimed; it has bonds; something is kept of
#: reports on it.
EXPIRED: Final = 1
BOUND: Final = 2
HAS_REPORTS: Final = 4

#: How many messages one statement looks up.
_PIECE: Final = 500

_FIELDS: Final = re.compile(";[klgj]=")
_TAILS: Final = "SELECT id, tail FROM messages WHERE id IN ({})"


class Bonds(NamedTuple):
    """The fields of a tail on which a store acts; see :class:`~alsek.storage.backends.records.Submission`."""

    unique: UniqueKey | None = None
    limits: tuple[Limit, ...] = ()
    group: GroupPlace | None = None
    joins: str = ""


def is_bound(tail: str) -> bool:
    """Return True if a tail, which is not empty, has any of these fields."""
    return _FIELDS.search(tail) is not None


@lru_cache(maxsize=256)
def bonds_of(tail: str) -> Bonds:
    """Return what a tail says. Messages of one task often have the same."""
    return Bonds(**tail_values(Bonds, tail))


def has_start(bonds: Bonds) -> bool:
    """Return True if a claim does something to them: a place of a rate becomes a start, a key may be free."""
    return any(limit.per for limit in bonds.limits) or (
        bonds.unique is not None and bonds.unique.until == "started"
    )


def tails_of(tx: Transaction, messages: Sequence[int]) -> dict[int, str]:
    """Return the tails of messages that are stored, by their ids."""
    tails: dict[int, str] = {}
    for piece in in_pieces(messages, _PIECE):
        tails.update(tx.execute(_TAILS.format(marks(len(piece))), piece).fetchall())
    return tails
