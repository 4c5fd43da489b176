"""The transfer port over several partitions.

Each partition is opened, read and filled by itself. What makes a move of all of them one move is in the first one: it
is opened first and closed last, its lease is renewed with each batch, whatever partition that is taken out of, and it
keeps the bytes of the batch that is staged. So a second move meets the first one there, before it has changed anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from alsek.storage.backends.copies import (
    Copy,
    CopyKind,
    DeadLetterCopy,
    MessageCopy,
    Page,
    ResultCopy,
    SourceOpened,
    Taken,
    TargetOpened,
    elsewhere,
)
from alsek.storage.backends.header import tail_values
from alsek.storage.backends.ports import TransferPort
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis.partitions.parts import Parts
from alsek.storage.backends.store_clocks import difference, shifted

#: Comes before the number of a partition in what the first one notes of a batch that is taken out of another one.
_IN: Final = "@"


class _Numbers(NamedTuple):
    """How a copy of one partition becomes one of the store, or the other way: its tokens and its times."""

    token: Callable[[int], int]
    ahead: int

    def convert(self, copy: Copy) -> Copy:
        """The same copy with these tokens and times; its mark stays."""
        if isinstance(copy, ResultCopy):
            copy = copy._replace(token=self.token(copy.token))
        elif isinstance(copy, MessageCopy | DeadLetterCopy) and copy.report is not None:
            copy = copy._replace(report=copy.report._replace(token=self.token(copy.report.token)))
        return shifted(copy, self.ahead)


class PartitionedTransfer(TransferPort):
    """Moves what is in several partitions: all that a page of :meth:`read` has is in one of them.

    The clock of the copies is that of the first partition. Their tokens are those that all others know.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._aheads: dict[int, int] = {}

    def store_name(self) -> str:
        return self._first.store_name()

    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool = False
    ) -> SourceOpened:
        opened: list[SourceOpened] = []
        for part in self._parts.all:
            one = part.transfer.open_source(move, target, place, lease, abandon)
            if one.busy or one.other:
                return one
            opened.append(one)
        self._aheads.clear()
        token = max(self._parts.outward(number, one.token) for number, one in enumerate(opened))
        return SourceOpened(token=token, fence=max(one.fence for one in opened), taken=_last(opened))

    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        for number, part in enumerate(self._parts.all):
            outward = self._outward(number)
            for page in part.transfer.read(kind, most):
                yield page._replace(copies=[outward.convert(copy) for copy in page.copies])

    def take_out(self, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
        (number,) = {self._number(copy) for copy in copies} or {0}
        if number:
            self._first.take_out(move, f"{batch}{_IN}{number}", ())
        inward = self._inward(number)
        mine = [inward.convert(copy) for copy in copies]
        return self._parts.all[number].transfer.take_out(move, batch, mine)

    def close_source(self, move: str) -> None:
        for part in reversed(self._parts.all):
            part.transfer.close_source(move)

    def open_target(self, move: str, source: str, token: int, fence: int) -> TargetOpened:
        self._aheads.clear()
        opened = [
            part.transfer.open_target(move, source, self._least(number, token), fence)
            for number, part in enumerate(self._parts.all)
        ]
        return opened[0]

    def refusals(self, copies: Sequence[Copy]) -> list[str]:
        asked = self._parts.gather(copies, _name, lambda part, mine: part.transfer.refusals(mine))
        return [told or self._elsewhere(copy) for told, copy in zip(asked, copies, strict=True)]

    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        self._first.stage(move, source, batch, data)

    def commit(self, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
        # The first partition comes last, since it forgets the bytes. Each knows whether it has done this batch.
        split = {
            number: [copy for _, copy in mine] for number, mine in self._parts.split(copies, _name).items()
        }
        first = split.pop(0, [])
        late: list[str] = []
        for number, mine in split.items():
            transfer, inward = self._parts.all[number].transfer, self._inward(number)
            transfer.stage(move, source, batch, b"")
            late += transfer.commit(move, source, batch, [inward.convert(copy) for copy in mine])
        inward = self._inward(0)
        return late + self._first.commit(move, source, batch, [inward.convert(copy) for copy in first])

    def close_target(self, move: str, source: str) -> None:
        for part in reversed(self._parts.all):
            part.transfer.close_target(move, source)

    @property
    def _first(self) -> TransferPort:
        return self._parts.all[0].transfer

    def _number(self, copy: Copy) -> int:
        return self._parts.number(_name(copy))

    def _outward(self, number: int) -> _Numbers:
        return _Numbers(partial(self._parts.outward, number), -self._ahead(number))

    def _inward(self, number: int) -> _Numbers:
        return _Numbers(partial(self._least, number), self._ahead(number))

    def _least(self, number: int, token: int) -> int:
        """The lowest token of a partition that others know as this one or as a higher one. 0 stands for none."""
        return max(1, -((number - token) // len(self._parts))) if token else 0

    def _ahead(self, number: int) -> int:
        """How far (ms) the clock of a partition is ahead of that of the first one."""
        first, part = self._parts.all[0], self._parts.all[number]
        if part.link is first.link:
            return 0
        if number not in self._aheads:
            self._aheads[number] = difference(first.messages.now, part.messages.now)
        return self._aheads[number]

    def _elsewhere(self, copy: Copy) -> str:
        """Why a copy can't be taken in because of what it is bound to; empty if it can."""
        for what, name in _bonds(copy):
            if not self._parts.are_together(_name(copy), name):
                return elsewhere(what)
        return ""


def _last(opened: Sequence[SourceOpened]) -> Taken | None:
    """What was taken out last: the first partition notes which one that was in."""
    taken = opened[0].taken
    if taken is None:
        return None
    _, is_elsewhere, number = taken.batch.partition(_IN)
    return opened[int(number)].taken if is_elsewhere else taken


def _name(copy: Copy) -> str:
    return copy.key[1]


def _bonds(copy: Copy) -> Iterator[tuple[str, str]]:
    """What a copy says that it is bound to: what it is, and its name."""
    if isinstance(copy, ResultCopy) and copy.progenitor is not None:
        yield f"message {copy.progenitor!r}, whose descendant it is,", copy.progenitor
    if isinstance(copy, MessageCopy | DeadLetterCopy):
        values = tail_values(Submission, copy.tail)
        unique = values.get("unique")
        if unique is not None:
            yield f"its unique key {unique.key!r}", unique.key
        for limit in values.get("limits", ()):
            yield f"its limit {limit.id!r}", limit.key
