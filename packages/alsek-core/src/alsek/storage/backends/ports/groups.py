"""Groups: what is counted of the members, and what follows when all have ended."""

from __future__ import annotations

from abc import ABC, abstractmethod

from alsek.storage.backends.records import GroupMember, GroupRecord, GroupSubmission


class GroupPort(ABC):
    """Groups of messages of this store.

    A message with a ``group`` is a member. When it ends, the step in which it ends writes how it ended into the group:

    * It succeeded, and no callback was submitted for it: the member has succeeded, with ``group_result``. A callback
      that was submitted has the place of its parent, so the member has not ended.
    * It failed (:class:`~alsek.storage.backends.records.Failed`, a message whose task nobody has, a record that can't
      be read, :meth:`~alsek.storage.backends.ports.ControlPort.fail`): the member has failed, or was revoked.
    * It was removed, or another message of its unique key has replaced it: the member was revoked.

    The first end of a place counts; there is no other as long as each place is given to one message. A number that the
    group does not have is no place. The ends of one step are counted after everything that follows its outcomes was
    submitted: those of its outcomes, in their order; then of messages that callbacks have replaced; then groups that
    have no members, or whose id is not new, and members that were left out.

    The step in which the last member ends *joins* the group: the callback is submitted, as that of a message is; a
    callback whose uuid is not new is left out, and not reported. If no callback was submitted, and the group is a
    member itself, it ends as ``"group"`` in its parent. A group that `stop`\\s fails in the step of the first member
    that does not succeed: its callback will not be submitted
    (:meth:`~alsek.storage.backends.ports.ResultPort.failed_parents` names that member), and it fails in its parent,
    with the same error. Whatever the state of a group, its counts go on.

    If a group has failed or was revoked, or is no longer stored, then members of it that are claimed are marked as
    revoked, and a renewal tells of them as of revoked messages (for a group that has failed only of those that were
    claimed after it had). The same holds for the groups that are members of it. A member that is replayed is in no
    group.

    A group is kept as long as it is open, or its callback is stored; with a parent, also as long as that is kept. Then
    it is kept for its `ttl`, with all results, and no shorter than its parent. A callback that is replayed meanwhile
    keeps it anew, and the groups in it. That it is no longer open is published on the channel ``groups:<id>``, as an
    empty note.
    """

    @abstractmethod
    def create(self, group: GroupSubmission, request: str) -> bool:
        """Store a new group; a group without members joins in this step.

        Returns:
            True if it was stored, now or before by the same request. False if another request has stored one of this
            id, or if its parent is not stored.
        """

    @abstractmethod
    def get(self, group: str) -> GroupRecord | None:
        """A group as it is now; None if it is not stored."""

    @abstractmethod
    def members(self, group: str, first: int, count: int) -> list[GroupMember]:
        """How members ended, in the order of their numbers: of those from `first` on, up to `count` numbers.

        Members that have not ended are left out.
        """

    @abstractmethod
    def revoke(self, group: str) -> bool:
        """Revoke a group, and the groups in it: the state of each that is open becomes ``"revoked"``.

        In its parent, it was revoked, and so was each of the groups in it in its own; the id of the group stands there
        for the uuid, and in the notes of its `unreachable` callbacks. Workers that hold members learn of it when they
        renew their leases.

        Returns:
            True if it is stored. One that is not open does not change.
        """
