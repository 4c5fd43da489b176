"""What a random history is made of: messages, outcomes and durations, drawn by weight."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

from alsek.storage.backends.kinds import WISHES, SlotKind
from alsek.storage.backends.records import (
    FOR_EVER,
    Failed,
    GroupPlace,
    GroupSubmission,
    HeldUntil,
    HistoryCounts,
    Limit,
    Lost,
    Outcome,
    Released,
    Retried,
    SetAside,
    Submission,
    Succeeded,
    UniqueKey,
)
from tests.contract.workers import ERROR

T = TypeVar("T")

QUEUES: Final = ("a", "b", "ü")
LEASES: Final = (10_000, 25_000)
GROUPS: Final = tuple(f"g{n}" for n in range(12))

#: The parts that workers play.
CASTS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "thread", "queues": None, "lease": LEASES[0], "suspects": "alone"},
    {"kind": "process", "queues": ("b", "a"), "lease": LEASES[1], "suspects": "freely"},
    {"kind": "any", "queues": ("a", "ü"), "lease": LEASES[1], "suspects": "alone"},
    {"kind": "thread", "queues": ("b", "nothing", "a"), "lease": LEASES[0], "suspects": "only"},
    {"kind": "any", "queues": None, "lease": LEASES[0], "suspects": "freely"},
    {"kind": "thread-async", "queues": None, "lease": LEASES[0], "suspects": "alone"},
    {"kind": "process-async", "queues": ("a", "ü"), "lease": LEASES[1], "suspects": "freely"},
    {"kind": "thread-async", "queues": ("ü", "a"), "lease": LEASES[1], "suspects": "only"},
)

#: Unique keys, of messages that have one, and the limits of which some are named.
KEYS: Final = ("k", "ü:")
HELD_UNTIL: Final[tuple[HeldUntil, ...]] = ("ended", "ended", "started")
LIMITS: Final = (
    Limit("x", 1),
    Limit("x", 2, 12_000),
    Limit("ü:", 2),
    Limit("z", 1, 20_000),
    Limit("wide", 4),
)

_OUTCOMES: Final = (
    *("succeeded", "succeeded", "no result", "callback", "callback", "group", "retried", "retried"),
    *("died", "died", "died", "released", "lost", "suspect", "suspect", "aside", "aside"),
)

#: The tasks that the workers of each part have: None for any, empty if they tell nothing of themselves.
TASKS: Final[tuple[tuple[str, ...] | None, ...]] = (
    ("t", "u"),
    ("t",),
    None,
    ("ü|;\n", "u"),
    (),
    ("t", "ü|;\n"),
    ("u",),
    ("u",),
)


class Claim(NamedTuple):
    """A claim that was made once, by the name of its token."""

    uuid: str
    queue: str
    token: int


class Chance:
    """Draws from one seed.

    Args:
        seed: The same seed draws the same.
        uuids: Those used so far; new ones are added.
        keys: Messages may have unique keys and limits.
    """

    def __init__(self, seed: int, uuids: list[str], keys: bool = False) -> None:
        self.random = Random(seed)
        self.uuids = uuids
        self.keys = keys

    def one(self, *values: T) -> T:
        """One of these."""
        return self.random.choice(values)

    def of(self, values: Sequence[T]) -> T:
        """One of a list, a late one more likely."""
        return values[-1 - min(int(self.random.expovariate(0.4)), len(values) - 1)]

    def below(self, n: int) -> int:
        """A number from 0 on."""
        return self.random.randrange(n)

    def maybe(self, likelihood: float) -> bool:
        """True so often."""
        return self.random.random() < likelihood

    def uuid(self) -> str:
        """A new one, or one that was used before."""
        if self.maybe(0.55):
            self.uuids.append(f"m{len(self.uuids)}")
            return self.uuids[-1]
        return self.of(self.uuids)

    def limits(self, least: int) -> dict[SlotKind, int]:
        """How many messages of each kind a worker takes; of coroutines, sometimes it says nothing."""
        limits: dict[SlotKind, int] = dict.fromkeys(
            ("any", "thread", "process"), least + self.below(5 - least)
        )
        if self.maybe(0.6):
            limits["coroutine"] = self.below(5)
        return limits

    def dlq_ttl(self) -> int:
        """For how long something is a dead letter."""
        return self.one(FOR_EVER, FOR_EVER, 0, 90_000)

    def submission(self, queue: str | None = None, uuid: str | None = None) -> Submission:
        """A message."""
        return Submission(
            uuid or self.uuid(),
            queue or self.one(*QUEUES),
            b"payload %d" % self.below(1_000),
            self.below(3),
            self.one("any", "any", "any-async", *WISHES),
            self.one(0, 0, 0, 1, 1_000, 1_000, 5_000),
            self.one(0, 0, 700, 20_000),
            self.one(FOR_EVER, FOR_EVER, 0),
            self.maybe(0.5),
            self.unique() if self.keys else None,
            self.named_limits() if self.keys else (),
            group=self.place() if self.maybe(0.2) else None,
        )

    def unique(self) -> UniqueKey | None:
        """A unique key, of few; mostly none."""
        if self.maybe(0.6):
            return None
        until, conflict = self.one(*HELD_UNTIL), self.one("existing", "replace", "replace")
        # Redis forgets by its own clock as well, and a history may take some seconds of that.
        return UniqueKey(self.one(*KEYS), until, conflict, self.one(0, 0, 20_000, 30_000))

    def named_limits(self) -> tuple[Limit, ...]:
        """Some limits, mostly few."""
        return tuple(self.random.sample(LIMITS, self.one(0, 0, 1, 1, 2, 3)))

    def place(self) -> GroupPlace:
        """A place in a group, which may not be there."""
        return GroupPlace(self.one(*GROUPS), self.below(3))

    def group(self, parent: GroupPlace | None = None) -> GroupSubmission:
        """A group. Redis counts its time to live in real time, so it is kept for ever."""
        name = self.one(*GROUPS)
        parent = parent or (self.place() if self.maybe(0.4) else None)
        callback = self.submission()._replace(joins=name, group=parent) if self.maybe(0.6) else None
        return GroupSubmission(
            name, self.one(0, 1, 2, 2, 3), self.maybe(0.5), FOR_EVER, callback, self.unreachable(), parent
        )

    def members(self, *groups: GroupSubmission) -> tuple[Submission, ...]:
        """Messages for most places of these groups."""
        places = [GroupPlace(group.id, n) for group in groups for n in range(group.total)]
        return tuple(self.submission()._replace(group=place) for place in places if self.maybe(0.9))

    def unreachable(self) -> tuple[str, ...]:
        """Callbacks that will not be submitted."""
        return tuple({self.of(self.uuids) for _ in range(self.one(0, 0, 1, 2))})

    def attempt_state(self) -> tuple[int, int, int | None, bytes]:
        """Retries, when, the delay that was asked for, and the error, which may have what a store's own form has."""
        return (
            self.below(4),
            self.below(10_000),
            self.one(None, 0, 500),
            self.one(b"", ERROR, b"%|;\n=\\ \xc3\xa9"),
        )

    def history(self) -> tuple[HistoryCounts, ...]:
        """What a worker has counted, mostly nothing."""
        if self.maybe(0.8):
            return ()
        return tuple(
            HistoryCounts(
                self.one(*QUEUES), self.one("t", "ü|;\n"), f"s:{self.below(9) + 1} w3:1 d{self.below(9)}:2"
            )
            for _ in range(1 + self.below(2))
        )

    def outcome(self, claim: Claim, tasks: tuple[str, ...] | None = ()) -> Outcome:
        """What becomes of a message. A worker sets none aside for one of its `tasks`, and none if it takes any."""
        uuid, queue, token = claim
        if self.maybe(0.1):
            queue = "elsewhere"
        match self.one(*_OUTCOMES):
            case "succeeded":
                progenitor = self.of(self.uuids) if self.maybe(0.5) else None
                return Succeeded(uuid, queue, token, b"result %d" % self.below(1_000), FOR_EVER, progenitor)
            case "no result":
                return Succeeded(uuid, queue, token)
            case "callback":
                result = b"result" if self.maybe(0.5) else None
                return Succeeded(
                    uuid, queue, token, result, callback=self.submission(), group_result=b"\xff|;"
                )
            case "group":
                group = self.group()
                groups = (group, *(self.group(GroupPlace(group.id, n)) for n in range(self.below(2))))
                return Succeeded(uuid, queue, token, groups=groups, members=self.members(*groups))
            case "retried":
                delay = self.one(0, 0, 10, 1_000, 1_000, 4_000)
                return Retried(
                    uuid, queue, token, delay, *self.attempt_state(), self.one(None, None, b"edited")
                )
            case "died":
                callback = self.submission() if self.maybe(0.3) else None
                return Failed(
                    *(uuid, queue, token, ERROR, self.dlq_ttl()),
                    *(self.maybe(0.2), callback, self.unreachable()),
                )
            case "released":
                return Released(uuid, queue, token)
            case "aside":
                task = self.one("t", "u", "u", "ü|;\n", "nobody's")
                if tasks is None or task in tasks:
                    return Released(uuid, queue, token)
                return SetAside(uuid, queue, token, task, ERROR, self.dlq_ttl(), self.maybe(0.2))
            case "lost":
                return Lost(uuid, queue, token)
        return Lost(uuid, queue, token, suspect=True)
