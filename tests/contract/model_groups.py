"""What the model of the promise knows of groups. None of its groups is ever gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alsek.storage.backends.records import (
    Failed,
    GroupMember,
    GroupPlace,
    GroupRecord,
    GroupState,
    GroupSubmission,
    MemberEnd,
    SetAside,
    Submission,
    Succeeded,
)

if TYPE_CHECKING:
    from tests.contract.model import Model


@dataclass(eq=False)
class ModelGroup:
    """A group in the model."""

    submission: GroupSubmission
    request: str
    state: GroupState = "open"
    members: dict[int, GroupMember] = field(default_factory=dict)
    failure: GroupMember | None = None

    def record(self) -> GroupRecord:
        """What a store shows of it."""
        ends = [member.end for member in self.members.values()]
        group = self.submission
        return GroupRecord(
            *(group.id, group.total),
            *(ends.count("succeeded") + ends.count("group"), ends.count("failed"), ends.count("revoked")),
            *(self.state, group.stop, "" if group.callback is None else group.callback.uuid),
            *(self.failure, group.parent),
        )


@dataclass(eq=False)
class End:
    """A place that has come to its end, and is to be counted."""

    place: GroupPlace
    uuid: str
    end: MemberEnd
    payload: bytes = b""


class ModelGroups:
    """All groups of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.stored: dict[str, ModelGroup] = {}
        self.failed_parents: dict[str, str] = {}
        self._ends: list[End | ModelGroup] = []

    def create(self, submission: GroupSubmission, request: str) -> bool:
        """The answer to a new group."""
        known = self.stored.get(submission.id)
        if known is not None:
            return known.request == request != ""
        if submission.parent is not None and submission.parent.group not in self.stored:
            return False
        self.stored[submission.id] = group = ModelGroup(submission, request)
        if submission.total == 0:
            self._ends.append(group)
        return True

    def note(self, place: GroupPlace | None, uuid: str, end: MemberEnd, payload: bytes = b"") -> End | None:
        """A message of this place has ended."""
        if place is None:
            return None
        noted = End(place, uuid, end, payload)
        self._ends.append(noted)
        return noted

    def follow(self, ended: list[tuple[Succeeded | Failed | SetAside, End | None]]) -> list[str]:
        """What is submitted after these outcomes; returns what was skipped."""
        skipped = []
        for outcome, end in ended:
            if outcome.callback is not None:
                if self.model.add(outcome.callback, "").accepted:
                    self._goes_on(end)
                else:
                    skipped.append(outcome.callback.uuid)
        members: list[Submission] = []
        for outcome, end in ended:
            if isinstance(outcome, Succeeded) and outcome.groups:
                if self.create(outcome.groups[0], ""):
                    self._goes_on(end)
                    members += self._nest(outcome, skipped)
                else:
                    skipped.append(outcome.groups[0].id)
        left_out = [member for member in members if not self.model.add(member, "").accepted]
        for member in left_out:
            self.note(member.group, member.uuid, "revoked")
        self.settle()
        return skipped + [member.uuid for member in left_out]

    def _goes_on(self, end: End | None) -> None:
        if end is not None:
            self._ends.remove(end)

    def _nest(self, outcome: Succeeded, skipped: list[str]) -> list[Submission]:
        """The members that are to be added, when the groups in the first one were created."""
        refused = set()
        for group in outcome.groups[1:]:
            if not self.create(group, ""):
                refused.add(group.id)
                skipped.append(group.id)
                self.note(group.parent, group.id, "revoked")
        return [each for each in outcome.members if each.group is None or each.group.group not in refused]

    def settle(self) -> None:
        """Count what has ended, and do what follows."""
        while self._ends:
            ended = self._ends.pop(0)
            if isinstance(ended, End):
                self._count(ended)
            else:
                self._join(ended)

    def _count(self, end: End) -> None:
        group, number = self.stored.get(end.place.group), end.place.number
        if group is None or number in group.members or number >= group.submission.total:
            return
        member = group.members[number] = GroupMember(number, end.uuid, end.end, end.payload)
        if group.state != "open":
            return
        if group.submission.stop and member.end in ("failed", "revoked"):
            group.state, group.failure = "failed", member
            self.unreachable(group.submission.unreachable, member.uuid)
            self.note(group.submission.parent, member.uuid, "failed", member.payload)
        elif len(group.members) == group.submission.total:
            self._join(group)

    def _join(self, group: ModelGroup) -> None:
        group.state = "joined"
        callback = group.submission.callback
        if callback is None or not self.model.add(callback, "").accepted:
            self.note(group.submission.parent, group.submission.id, "group")

    def revoke(self, name: str) -> bool:
        """The answer to a revocation."""
        found = [name] if name in self.stored else []
        for revoked in found:  # it grows
            group = self.stored[revoked]
            if group.state == "open":
                group.state = "revoked"
                self.unreachable(group.submission.unreachable, revoked)
                self.note(group.submission.parent, revoked, "revoked")
            found += [
                other
                for other, child in self.stored.items()
                if child.submission.parent is not None and child.submission.parent.group == revoked
            ]
        self.settle()
        return bool(found)

    def unreachable(self, uuids: tuple[str, ...], because_of: str) -> None:
        """These callbacks will not be submitted."""
        self.failed_parents.update(dict.fromkeys(uuids, because_of))

    def drops(self, place: GroupPlace | None) -> bool:
        """Whether a message of this place that is claimed now is revoked."""
        return any(state in (None, "failed", "revoked") for state in self._states(place))

    def tells(self, place: GroupPlace | None) -> bool:
        """Whether the holder of a message of this place is told that it is revoked."""
        return any(state in (None, "revoked") for state in self._states(place))

    def _states(self, place: GroupPlace | None) -> Iterator[GroupState | None]:
        while place is not None:
            group = self.stored.get(place.group)
            yield None if group is None else group.state
            place = None if group is None else group.submission.parent
