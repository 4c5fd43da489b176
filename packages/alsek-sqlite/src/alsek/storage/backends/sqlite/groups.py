"""The group port: a row for each group, and one for each member that has ended."""

from __future__ import annotations

from alsek.storage.backends.ports import GroupPort
from alsek.storage.backends.records import GroupMember, GroupRecord, GroupSubmission
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.messages import groups, member_ends
from alsek.storage.backends.sqlite.messages.follow_ups import write


class SQLiteGroups(GroupPort):
    """Groups in tables.

    Args:
        database: The file and the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, group: GroupSubmission, request: str) -> bool:
        return write(self._database, lambda tx: member_ends.create(tx, group, request))

    def get(self, group: str) -> GroupRecord | None:
        return self._database.read(lambda tx: groups.get(tx, group))

    def members(self, group: str, first: int, count: int) -> list[GroupMember]:
        return self._database.read(lambda tx: groups.members(tx, group, first, count))

    def revoke(self, group: str) -> bool:
        return self._database.write(lambda tx: member_ends.revoke(tx, group))
