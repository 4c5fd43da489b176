"""The schedule port: each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from alsek.storage.backends.ports import SchedulePort
from alsek.storage.backends.records import Added, ScheduleRecord, Submission
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import schedules
from alsek.storage.backends.sqlite.messages.follow_ups import write
from alsek.storage.backends.sqlite.messages.offers import next_offer

T = TypeVar("T")


class SQLiteSchedules(SchedulePort):
    """Schedules in a table.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, name: str, definition: bytes, revision: str, next_at: int | None, expected: str = ""
    ) -> ScheduleRecord | None:
        return self._change(lambda tx: schedules.put(tx, name, definition, revision, next_at, expected))

    def get(self, names: Sequence[str] | None = None) -> list[ScheduleRecord]:
        return self._database.read(lambda tx: schedules.get(tx, names))

    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        submissions: Sequence[Submission],
        request: str,
        next_at: int | None,
        last_at: int | None = None,
    ) -> list[Added] | None:
        return self._change(
            lambda tx: schedules.fire(tx, name, revision, tick, submissions, request, next_at, last_at)
        )

    def pause(self, name: str, by: str) -> bool:
        return self._database.write(lambda tx: schedules.pause(tx, name, by))

    def resume(self, name: str, revision: str, next_at: int | None) -> bool:
        return self._change(lambda tx: schedules.resume(tx, name, revision, next_at))

    def remove(self, name: str) -> bool:
        return self._database.write(lambda tx: schedules.remove(tx, name))

    def _change(self, work: Callable[[Transaction], T]) -> T:
        """Do what may make an offer earlier; then wake all workers that would sleep beyond the next offer."""
        value, due = write(self._database, lambda tx: (work(tx), next_offer(tx)))
        if due is not None:
            self._database.notifier.rouse(due)
        return value
