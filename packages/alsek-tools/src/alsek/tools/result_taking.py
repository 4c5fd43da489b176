"""Reading and deleting the results that are yielded, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alsek.core.message import Message
from alsek.storage.result import ResultStore
from alsek.storage.result_reader import ResultReader
from alsek.tools.result_lookup import Complete


class ResultTaking:
    """Takes results out of the store: each is deleted with the last one that is taken together with it.

    So one that was yielded may be in the store until then. It is never the other way round: what was not yielded is not
    deleted.

    Args:
        reader: Reads the results.
        descendants: A result is the list of those of a message and its callbacks.
        keep: Delete nothing.
    """

    def __init__(self, reader: ResultReader, descendants: bool, keep: bool) -> None:
        self._reader = reader
        self._store = reader.store
        self._descendants = descendants
        self._keep = keep
        store = type(self._store)
        # A subclass may read in its own way. It is asked for each result, as is what reads whole chains.
        self._singly = descendants or store.get is not ResultStore.get or store.aget is not ResultStore.aget
        self._taken: list[str] = []

    async def read(self, complete: Sequence[Complete]) -> list[Complete]:
        """The same, with those records that a look has not kept."""
        missing = [each.message.uuid for each in complete if each.record is None]
        if self._singly or not missing:
            return list(complete)
        records = dict(zip(missing, await self._reader.records(missing), strict=True))
        return [
            each if each.record is not None else each._replace(record=records[each.message.uuid])
            for each in complete
        ]

    async def take(self, complete: Complete, last: bool) -> Any:
        """Return a result, to be yielded; with the `last` of some, delete all that were taken."""
        if self._singly or complete.record is None:
            result = await self._read(complete.message)
        else:
            result = self._reader.result(complete.record)
            if not self._keep:
                self._taken.append(complete.message.uuid)
        if last:
            await self.delete()
        return result

    async def delete(self) -> None:
        """Delete what was taken and is not deleted yet."""
        taken, self._taken = self._taken, []
        await self._reader.remove(taken)

    async def _read(self, message: Message) -> Any:
        """Return a result that is there, as a subclass of the store reads it."""
        if self._reader.driver.blocking:
            return self._store.get(message, keep=self._keep, descendants=self._descendants)
        return await self._store.aget(message, keep=self._keep, descendants=self._descendants)
