"""What a history does with groups, and how they are seen."""

from __future__ import annotations

from typing import Any, Final

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import GroupMember, GroupSubmission
from tests.differential.chance import GROUPS, Chance
from tests.differential.pair import Pair

#: More members than any group has.
_ALL: Final = 1_000


class GroupActs:
    """The acts of a history that are about groups.

    Attributes:
        pair: Both stores.
        created: The groups that were created by a producer, each with its request.
    """

    pair: Pair
    created: list[tuple[GroupSubmission, str]]

    def _tell(self, what: str, *told: Any) -> None:
        raise NotImplementedError

    def create_group(self, chance: Chance) -> None:
        """A producer's group, and mostly some members; or an earlier call once more."""
        if self.created and chance.maybe(0.2):
            self._create(*chance.of(self.created))
            return
        self.created.append((chance.group(), f"g{len(self.created)}"))
        self._create(*self.created[-1])
        members = chance.members(self.created[-1][0])
        self._tell("add", members)
        request = f"m{len(self.created)}"
        self.pair.same(lambda backend, _: backend.messages.add(members, request))

    def _create(self, group: GroupSubmission, request: str) -> None:
        self._tell("create", group, request)
        self.pair.same(lambda backend, _: backend.groups.create(group, request))

    def revoke_group(self, chance: Chance) -> None:
        """Someone revokes a group."""
        name = chance.one(*GROUPS)
        self._tell("revoke group", name)
        self.pair.same(lambda backend, _: backend.groups.revoke(name))


def seen_groups(backend: Backend) -> list[Any]:
    """All groups that a history may have made, with their members."""
    seen: list[Any] = []
    for name in GROUPS:
        found = backend.groups.get(name)
        if found is not None:
            failure = None if found.failure is None else _plain(found.failure)
            seen.append(found._replace(failure=failure))
            seen.append([_plain(member) for member in backend.groups.members(name, 0, _ALL)])
    return seen


def _plain(member: GroupMember) -> GroupMember:
    """As it is; of a record that could not be read, stores name different reasons."""
    return member._replace(payload=b"") if b"CorruptMessageError" in member.payload else member
