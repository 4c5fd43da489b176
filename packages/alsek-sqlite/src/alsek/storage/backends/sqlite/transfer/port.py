"""The transfer port: each method is one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

from alsek.storage.backends.copies import (
    Copy,
    CopyKind,
    MessageCopy,
    Page,
    ScheduleCopy,
    SourceOpened,
    TargetOpened,
    kind_of,
)
from alsek.storage.backends.ports import TransferPort
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.follow_ups import write
from alsek.storage.backends.sqlite.messages.offers import next_offer
from alsek.storage.backends.sqlite.transfer import arriving, departing_messages, departing_records
from alsek.storage.backends.sqlite.transfer.book import SQLiteMoveBook

_NUMBERS = "SELECT token, fence FROM namespaces WHERE id = ?"
_RAISE_NUMBERS = "UPDATE namespaces SET token = max(token, ?), fence = max(fence, ?) WHERE id = ?"


class SQLiteTransfer(TransferPort):
    """Moves what is in the tables.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def store_name(self) -> str:
        new = uuid4().hex
        return self._database.write(lambda tx: SQLiteMoveBook(tx).name(new))

    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool = False
    ) -> SourceOpened:
        def work(tx: Transaction) -> SourceOpened:
            opened = SQLiteMoveBook(tx).open_source(move, target, place, lease, abandon, tx.now)
            token, fence = tx.execute(_NUMBERS, (tx.ns,)).fetchone()
            return opened._replace(token=token, fence=fence)

        return self._database.write(work)

    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        if kind is CopyKind.MESSAGE:
            return departing_messages.read(self._database, most)
        return departing_records.read(self._database, kind, most)

    def take_out(self, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
        return write(self._database, lambda tx: _take_out(tx, move, batch, copies))

    def close_source(self, move: str) -> None:
        self._database.write(lambda tx: SQLiteMoveBook(tx).close_source(move))

    def open_target(self, move: str, source: str, token: int, fence: int) -> TargetOpened:
        def work(tx: Transaction) -> TargetOpened:
            tx.execute(_RAISE_NUMBERS, (token, fence, tx.ns))
            return SQLiteMoveBook(tx).open_target(move, source)

        return self._database.write(work)

    def refusals(self, copies: Sequence[Copy]) -> list[str]:
        return self._database.read(lambda tx: [arriving.refusal(tx, copy) for copy in copies])

    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        self._database.write(lambda tx: SQLiteMoveBook(tx).stage(move, source, batch, data))

    def commit(self, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
        late = write(self._database, lambda tx: _commit(tx, move, source, batch, copies))
        if any(isinstance(copy, ScheduleCopy) for copy in copies):
            due = self._database.read(next_offer)
            if due is not None:
                self._database.notifier.rouse(due)
        return late

    def close_target(self, move: str, source: str) -> None:
        self._database.write(lambda tx: SQLiteMoveBook(tx).close_target(move, source))


def _take_out(tx: Transaction, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
    book = SQLiteMoveBook(tx)
    taken = book.taken_before(move, batch)
    if taken is None:
        messages = [copy for copy in copies if isinstance(copy, MessageCopy)]
        if messages:
            taken = departing_messages.take_out(tx, messages)
        else:
            taken = [departing_records.take_out(tx, kind_of(copy), copy) for copy in copies]
        book.note_taken(batch, taken, tx.now)
    return taken


def _commit(tx: Transaction, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
    book = SQLiteMoveBook(tx)
    late = book.committed_before(move, source, batch)
    if late is None:
        late = [copy.key[1] for copy in copies if not arriving.take_in(tx, copy)]
        book.note_committed(source, batch, late)
    return late
