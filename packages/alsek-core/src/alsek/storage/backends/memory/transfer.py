"""The transfer port of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from uuid import uuid4

from alsek.storage.backends.copies import (
    NAME_USED,
    Copy,
    CopyKind,
    DeadLetterCopy,
    MessageCopy,
    Page,
    ResultCopy,
    ScheduleCopy,
    SourceOpened,
    StatusCopy,
    TargetOpened,
    Unreadable,
    ValueCopy,
    page_of,
)
from alsek.storage.backends.memory.messages import arrivals, departures, schedules
from alsek.storage.backends.memory.messages.port import MemoryMessages
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.move_book import MoveBook
from alsek.storage.backends.ports import TransferPort
from alsek.storage.backends.records import ResultRecord


class _Book(MoveBook):
    """The fields in a dict."""

    def __init__(self) -> None:
        self.fields: dict[str, bytes] = {}

    def get(self, field: str) -> bytes | None:
        return self.fields.get(field)

    def set(self, field: str, value: bytes) -> None:
        self.fields[field] = value

    def delete(self, field: str) -> None:
        self.fields.pop(field, None)


class MemoryTransfer(TransferPort):
    """Moves what is in the dicts.

    Args:
        store: What the ports of the backend share.
        messages: The message port.
    """

    def __init__(self, store: MemoryStore, messages: MemoryMessages) -> None:
        self._store = store
        self._messages = messages
        self._table = messages.table
        self._book = _Book()

    def clear(self) -> None:
        """Forget all moves, and the name of the store."""
        self._book.fields.clear()

    def store_name(self) -> str:
        with self._store.lock:
            return self._book.name(uuid4().hex)

    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool = False
    ) -> SourceOpened:
        store = self._store
        with store.lock:
            opened = self._book.open_source(move, target, place, lease, abandon, store.clock())
            number = next(store.numbers)
            return opened._replace(token=number, fence=number)

    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        with self._store.lock:
            names = self._names(kind)
        for start in range(0, len(names), most):
            with self._store.lock:
                found = [read() for read in names[start : start + most]]
                yield page_of(found)

    def _names(self, kind: CopyKind) -> list[Callable[[], departures.Found]]:
        """For each thing that there is now, a function that copies it."""
        store, table = self._store, self._table
        match kind:
            case CopyKind.MESSAGE:
                return [partial(departures.message, table, uuid) for uuid in departures.order(table)]
            case CopyKind.DEAD_LETTER:
                letters = sorted((key for key, _ in table.dead.items()), key=lambda key: key[0])
                return [partial(departures.dead_letter, table, key) for key in letters]
            case CopyKind.RESULT:
                return [partial(self._result, uuid) for uuid, _ in store.results.items()]
            case CopyKind.STATUS:
                alone = [uuid for uuid, _ in store.statuses.items() if uuid not in table.messages]
                return [partial(departures.status, table, uuid) for uuid in alone]
            case CopyKind.VALUE:
                return [partial(self._value, name) for name, _ in store.values.items()]
            case CopyKind.SCHEDULE:
                return [partial(schedules.copy, table, name) for name in sorted(table.schedules)]

    def _result(self, uuid: str) -> ResultCopy | None:
        entry = self._store.results.get(uuid)
        if entry is None:
            return None
        record, progenitor = entry
        expiry = self._store.results.expiry(uuid)
        return ResultCopy(*record, progenitor, expiry, record.pack())

    def _value(self, name: str) -> ValueCopy | None:
        value = self._store.values.get(name)
        return None if value is None else ValueCopy(name, value, self._store.values.expiry(name), value)

    def take_out(self, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
        with self._store.lock:
            taken = self._book.taken_before(move, batch)
            if taken is None:
                taken = [self._take(copy) for copy in copies]
                self._book.note_taken(batch, taken, self._store.clock())
                self._messages.wake()
            return taken

    def _take(self, copy: Copy) -> bool:
        store, table = self._store, self._table
        present: Copy | departures.Found
        match copy:
            case MessageCopy():
                return departures.take_message(table, copy)
            case DeadLetterCopy():
                return departures.take_dead_letter(table, copy)
            case ResultCopy():
                return _same(copy, self._result(copy.uuid)) and store.results.pop(copy.uuid) is not None
            case StatusCopy():
                present = departures.status(table, copy.uuid)
                return _same(copy, present) and store.statuses.pop(copy.uuid) is not None
            case ValueCopy():
                return _same(copy, self._value(copy.name)) and store.values.pop(copy.name) is not None
            case ScheduleCopy():
                return schedules.take_out(table, copy)

    def close_source(self, move: str) -> None:
        with self._store.lock:
            self._book.close_source(move)

    def open_target(self, move: str, source: str, token: int, fence: int) -> TargetOpened:
        store = self._store
        with store.lock:
            store.numbers = count(max(next(store.numbers), token, fence) + 1)
            return self._book.open_target(move, source)

    def refusals(self, copies: Sequence[Copy]) -> list[str]:
        with self._store.lock:
            return [self._refusal(copy) for copy in copies]

    def _refusal(self, copy: Copy) -> str:
        match copy:
            case MessageCopy():
                return arrivals.refusal(self._table, copy)
            case DeadLetterCopy():
                there = self._table.dead.get(copy.key) is not None
            case ResultCopy():
                there = self._store.results.get(copy.uuid) is not None
            case StatusCopy():
                there = self._store.statuses.get(copy.uuid) is not None
            case ValueCopy():
                there = self._store.values.get(copy.name) is not None
            case ScheduleCopy():
                there = copy.name in self._table.schedules
        return NAME_USED if there else ""

    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        with self._store.lock:
            self._book.stage(move, source, batch, data)

    def commit(self, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
        with self._store.lock:
            late = self._book.committed_before(move, source, batch)
            if late is None:
                late = [copy.key[1] for copy in copies if not self._take_in(copy)]
                self._book.note_committed(source, batch, late)
                self._messages.wake()
            return late

    def _take_in(self, copy: Copy) -> bool:
        store, table = self._store, self._table
        match copy:
            case MessageCopy():
                return arrivals.message(table, copy)
            case DeadLetterCopy():
                return arrivals.dead_letter(table, copy)
            case ResultCopy(uuid, payload, timestamp, token, progenitor, expiry):
                record = ResultRecord(uuid, payload, timestamp, token)
                store.publish(f"results:{uuid}")
                return store.results.adopt(uuid, (record, progenitor), expiry)
            case StatusCopy():
                return arrivals.status(table, copy)
            case ValueCopy(name, value, expiry):
                return store.values.adopt(name, value, expiry)
            case ScheduleCopy():
                return schedules.adopt(table, copy)

    def close_target(self, move: str, source: str) -> None:
        with self._store.lock:
            self._book.close_target(move, source)


def _same(copy: Copy, present: Copy | departures.Found) -> bool:
    return not isinstance(present, Unreadable | None) and present.mark == copy.mark
