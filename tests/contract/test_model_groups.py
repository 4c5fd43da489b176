"""Long random histories with groups, held against the model after every call: see ``test_model.py``."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    GroupPlace,
    GroupSubmission,
    Outcome,
    Submission,
)
from tests.contract.model import ModelWorker
from tests.contract.stores import Store
from tests.contract.test_model import (
    QUEUES,
    UUIDS,
    BackendMachine,
    casts,
    explore,
    limits,
    names,
    submissions,
)
from tests.contract.workers import DLQ_TTL, ERROR, a_request, died, not_mine, succeeded

#: Long enough that no group is ever gone.
GROUP_TTL_MS = 100 * DLQ_TTL
GROUPS = [f"g{n}" for n in range(8)]

places = st.builds(GroupPlace, st.sampled_from(GROUPS[:5]), st.integers(0, 2))
placed = st.builds(
    lambda submission, place: submission._replace(group=place), submissions, st.none() | places | places
)
unreachables = st.lists(names, max_size=2, unique=True).map(tuple)
groups = st.builds(
    lambda name, total, stop, callback, unreachable, parent: GroupSubmission(
        name,
        total,
        stop,
        GROUP_TTL_MS,
        None if callback is None else callback._replace(joins=name, group=parent),
        unreachable,
        parent,
    ),
    st.sampled_from(GROUPS),
    st.sampled_from([0, 1, 2, 2, 3]),
    st.booleans(),
    st.none() | submissions,
    unreachables,
    st.none() | places,
)


class Plan(NamedTuple):
    """How a claim is to end."""

    kind: str
    follower: Submission
    groups: tuple[GroupSubmission, ...]
    members: tuple[Submission, ...]
    unreachable: tuple[str, ...]

    def outcome(self, claim: Claimed) -> Outcome:
        """The outcome of this claim."""
        result = b"r%d" % claim.token
        follower = self.follower._replace(group=claim.group)
        match self.kind:
            case "chained":
                return succeeded(claim, result, group_result=result, callback=follower)
            case "grouped":
                first, *others = (group._replace(parent=None) for group in self.groups)
                found = (
                    first._replace(parent=claim.group),
                    *(other._replace(parent=GroupPlace(first.id, n)) for n, other in enumerate(others)),
                )
                return succeeded(claim, result, group_result=result, groups=found, members=self.members)
            case "failed":
                return died(claim, b"e" + result, 100 * DLQ_TTL, unreachable=self.unreachable)
            case "followed":
                return died(claim, ERROR, 100 * DLQ_TTL, callback=self.follower)
            case "nobody's":
                return not_mine(
                    claim,
                    "v",
                    dlq_ttl=100 * DLQ_TTL,
                    callback=self.follower,
                    unreachable=self.unreachable,
                )
            case "revoked":
                return Failed(claim.uuid, claim.queue, claim.token, ERROR, 100 * DLQ_TTL, True)
        return succeeded(claim, result, group_result=result)


plans = st.builds(
    Plan,
    st.sampled_from(["done", "done", "chained", "grouped", "failed", "followed", "nobody's", "revoked"]),
    submissions,
    st.lists(groups, min_size=1, max_size=2).map(tuple),
    st.lists(placed, max_size=3).map(tuple),
    unreachables,
)


class GroupMachine(BackendMachine):
    """One history, in which messages are members of groups."""

    uuids: ClassVar[list[str]] = [*UUIDS, *(f"n{n}" for n in range(60))]

    def __init__(self) -> None:
        super().__init__()
        self._new = iter(self.uuids[len(UUIDS) :])
        self.created: list[tuple[GroupSubmission, str]] = []

    @rule(group=groups)
    def create(self, group: GroupSubmission) -> None:
        """A producer's group."""
        self.created.append((self._named_group(group), a_request()))
        self._create(*self.created[-1])

    def _named_group(self, group: GroupSubmission) -> GroupSubmission:
        callback = None if group.callback is None else self._named(group.callback)
        return group._replace(callback=callback)

    def _renamed(self, submission: Submission) -> Submission:
        """The submission, with a uuid that was not used before, as long as there are such."""
        return self._named(submission)._replace(uuid=next(self._new, submission.uuid))

    def _there(self, place: GroupPlace | None) -> GroupPlace | None:
        """A place of a group that is stored, if there is one."""
        stored = list(self.model.groups.stored)
        if place is None or not stored:
            return None
        return place._replace(group=stored[GROUPS.index(place.group) % len(stored)])

    @rule(group=groups, members=st.lists(submissions, min_size=3, max_size=3), extra=places)
    def submit(self, group: GroupSubmission, members: list[Submission], extra: GroupPlace) -> None:
        """A producer's group in one that is there, with all its members, and one of another group."""
        parent = self._there(group.parent)
        if group.callback is not None:
            group = group._replace(callback=self._renamed(group.callback)._replace(group=parent))
        self.create(group._replace(parent=parent))
        found = [*(GroupPlace(group.id, n) for n in range(group.total)), self._there(extra)]
        pairs = zip(members, found, strict=False)
        placed = [self._renamed(member)._replace(group=place) for member, place in pairs]
        self.add(list({member.uuid: member for member in placed}.values()))

    @rule(n=casts, ends=st.lists(plans, min_size=2, max_size=5))
    def work(self, n: int, ends: list[Plan]) -> None:
        """A worker claims what it can, and ends some of it."""
        worker = self._worker(n)
        self.report(worker, [], {"any": 3, "thread": 3, "process": 3, "coroutine": 3}, [])
        self.step_with_groups(n, ends, {})

    @rule(
        group=groups,
        members=st.lists(submissions, min_size=3, max_size=3),
        extra=places,
        ends=st.lists(plans, min_size=4, max_size=4),
    )
    def submit_and_work(
        self, group: GroupSubmission, members: list[Submission], extra: GroupPlace, ends: list[Plan]
    ) -> None:
        """A producer's group, some of which is run at once."""
        self.submit(group, members, extra)
        for queue in QUEUES:
            self.resume(queue)
        for n in (2, 0, 4):
            self.work(n, ends)

    def _named_plan(self, plan: Plan) -> Plan:
        return plan._replace(
            follower=self._renamed(plan.follower),
            groups=tuple(map(self._named_group, plan.groups)),
            members=tuple(map(self._renamed, plan.members)),
        )

    @rule(n=st.integers(0, 3))
    def create_again(self, n: int) -> None:
        """A group that is created by a call that is repeated late."""
        if n < len(self.created):
            self._create(*self.created[-1 - n])

    def _create(self, group: GroupSubmission, request: str) -> None:
        assert self.backend.groups.create(group, request) == self.model.groups.create(group, request)
        self.model.settle()

    @rule(name=st.sampled_from(GROUPS), seldom=st.integers(0, 2))
    def revoke_group(self, name: str, seldom: int) -> None:
        """Someone revokes a group."""
        if not seldom:
            assert self.backend.groups.revoke(name) == self.model.groups.revoke(name)
            self.model.settle()

    @rule(batch=st.lists(placed, min_size=1, max_size=4, unique_by=lambda s: s.uuid))
    def add_members(self, batch: list[Submission]) -> None:
        """Messages with places in groups, of which some may not be there."""
        self.add(batch)

    def _ends(self, worker: ModelWorker, ends: list[Plan]) -> list[Outcome]:
        plans_of = zip(map(self._named_plan, ends), worker.actor.held(), strict=False)
        return [plan.outcome(claim) for plan, claim in plans_of]

    @rule(n=casts, ends=st.lists(plans, min_size=1, max_size=4), limit=limits)
    def step_with_groups(self, n: int, ends: list[Plan], limit: dict[SlotKind, int]) -> None:
        """A worker's step with outcomes that are followed by more."""
        worker = self._worker(n)
        outcomes = self._ends(worker, ends)
        self.report(worker, outcomes, limit, [])

    @rule(n=casts, ends=st.lists(plans, min_size=1, max_size=2))
    def retire_with_groups(self, n: int, ends: list[Plan]) -> None:
        """The last outcomes of a worker are followed by more."""
        worker = self._worker(n)
        outcomes = self._ends(worker, ends)
        self.end(n, outcomes)

    @rule(uuid=names, follower=submissions, unreachable=unreachables)
    def fail_with_callback(self, uuid: str, follower: Submission, unreachable: tuple[str, ...]) -> None:
        """Someone buries a message that has callbacks."""
        message, queue = self._find(uuid)
        if message is None:
            return
        follower = self._named(follower)
        assert self.port.fail(queue, uuid, ERROR, 100 * DLQ_TTL, follower, unreachable)
        self.model.dead_letter(message, finished=False)
        self.model.groups.unreachable(unreachable, uuid)
        self.model.add(follower, "")
        self.model.settle()

    @rule(submission=placed)
    def replay_member(self, submission: Submission) -> None:
        """Someone takes the dead letter of a member back."""
        self.replay(submission)

    @invariant()
    def the_groups_agree(self) -> None:
        """Store and model hold the same groups, whose members have ended alike."""
        known = self.model.groups
        for name in GROUPS:
            group = known.stored.get(name)
            assert self.backend.groups.get(name) == (None if group is None else group.record())
            ended = {} if group is None else group.members
            assert self.backend.groups.members(name, 0, 9) == [ended[n] for n in sorted(ended)]
        notes = zip(self.uuids, self.backend.results.failed_parents(self.uuids), strict=True)
        assert {uuid: parent for uuid, parent in notes if parent is not None} == known.failed_parents


def test_random_histories_with_groups(store: Store) -> None:
    """After every call of any history, the store holds and answers what the model does."""
    explore(store, GroupMachine)
