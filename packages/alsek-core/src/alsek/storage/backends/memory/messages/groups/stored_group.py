"""A group as a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field

from alsek.storage.backends.records import GroupMember, GroupPlace, GroupRecord, GroupState, GroupSubmission


@dataclass(eq=False, slots=True)
class StoredGroup:
    """A stored group: what was submitted, and how its members have ended.

    Attributes:
        submission: What was submitted.
        request: The request that created it; empty if an outcome did.
        state: Its state.
        members: How members ended, by their numbers.
        failure: Because of which member it failed; None if it has not.
        children: The ids of the groups that are members of it.
        ended: Nothing more follows of it: it is not open, and its callback has ended, or was not submitted.
        released: It has ended, and so has its parent: it expires.
    """

    submission: GroupSubmission
    request: str
    state: GroupState = "open"
    members: dict[int, GroupMember] = field(default_factory=dict)
    failure: GroupMember | None = None
    children: list[str] = field(default_factory=list)
    ended: bool = False
    released: bool = False

    @property
    def id(self) -> str:
        return self.submission.id

    @property
    def parent(self) -> GroupPlace | None:
        return self.submission.parent

    @property
    def is_complete(self) -> bool:
        """True if all members have ended."""
        return len(self.members) >= self.submission.total

    def as_record(self) -> GroupRecord:
        """Return what the port shows."""
        ends = [member.end for member in self.members.values()]
        callback = self.submission.callback
        return GroupRecord(
            self.id,
            self.submission.total,
            ends.count("succeeded") + ends.count("group"),
            ends.count("failed"),
            ends.count("revoked"),
            self.state,
            self.submission.stop,
            "" if callback is None else callback.uuid,
            self.failure,
            self.parent,
        )
