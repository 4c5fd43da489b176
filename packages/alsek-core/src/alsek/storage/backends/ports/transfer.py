"""Transfer: what moves everything from one store to another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from alsek.storage.backends.copies import Copy, CopyKind, Page, SourceOpened, TargetOpened


class TransferPort(ABC):
    """Hands out what a store holds, batch by batch, and takes in what another one held.

    A move has a random name. Of each batch it first stages a copy in the target, where nobody sees it; then it takes
    the batch out of the source, which notes in the same step what was taken; then it commits that in the target. So
    whatever happens in between, each thing is in the source, or is staged and known to be taken. A move that opens a
    store ends the right of all earlier ones to change anything there: it alone goes on.
    """

    @abstractmethod
    def store_name(self) -> str:
        """The random name of this namespace of this store. It is made when it is first asked for, and stays."""

    # The source

    @abstractmethod
    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool = False
    ) -> SourceOpened:
        """Begin to move things out, or go on where an earlier move to the same target ended.

        Args:
            move: The name of the move.
            target: The name of the target.
            place: Where the target is, as text, for errors.
            lease: For how long after its last batch (ms) another move is taken to be at work.
            abandon: Forget an earlier move to another target, and what it has taken out last.
        """

    @abstractmethod
    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        """All things of a kind, in pages of at most this many.

        Things of a page may be taken out before the next page is asked for. Messages come queue by queue: the ready
        ones by priority and arrival, the delayed ones by when they are due; messages that are claimed may be left out.
        The dead letters of a queue come oldest first; results in the order of their last write, those of one
        progenitor at least. Statuses of messages that are stored are left out: they go with the message. Groups are not
        moved, so members of groups and callbacks of groups are named among what can't be read, and stay.
        """

    @abstractmethod
    def take_out(self, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
        """Remove things that are still as they were copied; a message only if nobody holds it.

        A message that is removed has not ended: its status goes with it unchanged, nothing is published, and its uuid
        is new to every request but the one that submitted it. The same batch again changes nothing.

        Args:
            move: The name of the move, which must have opened the store last.
            batch: A random name for these copies.
            copies: All of one kind, and of one page.

        Returns:
            Of each, whether it was removed.

        Raises:
            MoveError: Another move has opened the store.
        """

    @abstractmethod
    def close_source(self, move: str) -> None:
        """End the move: only the name of the store is left. If another move has replaced it, nothing changes."""

    # The target

    @abstractmethod
    def open_target(self, move: str, source: str, token: int, fence: int) -> TargetOpened:
        """Begin to move things in.

        Args:
            move: The name of the move.
            source: The name of the source. Moves from several sources do not meet.
            token: The target gives out only higher claim tokens from now on.
            fence: And only higher fence numbers.
        """

    @abstractmethod
    def refusals(self, copies: Sequence[Copy]) -> list[str]:
        """Why things can't be taken in, each in a few words; empty for those that can.

        A message can't if its uuid is not new (:meth:`~alsek.storage.backends.ports.SubmissionPort.add`), anything
        else if there is one of its name already.
        """

    @abstractmethod
    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        """Keep bytes that stand for a batch, in place of an earlier one.

        Raises:
            MoveError: Another move has opened the store for this source.
        """

    @abstractmethod
    def commit(self, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
        """Take in things of the batch that is staged, and forget the bytes. The same batch again changes nothing.

        Messages get new places in their queues, in this order and behind all others, and workers are woken. What has
        expired is left out. A message whose uuid has been used since :meth:`refusals` becomes a dead letter without
        end; of anything else, what is there already stays.

        Returns:
            The keys of the things that were not taken in as they are, for these reasons.

        Raises:
            MoveError: Another move has opened the store for this source.
        """

    @abstractmethod
    def close_target(self, move: str, source: str) -> None:
        """End the move, and forget what is staged. If another move has replaced it, nothing changes."""
