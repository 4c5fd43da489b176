"""A namespace with something of every kind in it, and a call of every script on it.

For tests that go through all scripts: each operation finds something to do, in every kind of key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, get_args

from alsek.storage.backends.copies import COPY_CLASSES, Copy, CopyKind
from alsek.storage.backends.records import (
    Failed,
    GroupPlace,
    GroupSubmission,
    HistoryCounts,
    Limit,
    Lost,
    Outcome,
    Released,
    Report,
    Retried,
    Running,
    SetAside,
    StatusRecord,
    Submission,
    Succeeded,
    TaskStatus,
    UniqueKey,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.wakeup.waiter import token_lists
from alsek.types import Wish

#: The worker that makes the calls, one that holds another message, one whose lease has ended.
MINE, OTHER, LOST = (Worker(f"worker-{n}", "thread", None, 600_000, 60_000) for n in "abc")
FACTS: Final = WorkerFacts("host", 17, "1", ("t",), 4, fires=True)
NAMED: Final = Worker("worker-d", "thread", ("q", "r"), 600_000, 60_000, "freely")
#: A worker with two kinds of slots.
TWOFOLD: Final = Worker("worker-f", "thread-async", None, 600_000, 60_000)

_ALL = """
local all = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  all[#all + 1], all[#all + 2] = key, redis.call('DUMP', key)
end
return all
"""
_RESTORE = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end
for i = 2, #ARGV, 2 do redis.call('RESTORE', ARGV[i], 0, ARGV[i + 1]) end
"""
#: Of each key its name, its type, and its members or fields: a call for each key would take most of a test's time.
_CONTENTS = """
local contents = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind, members = redis.call('TYPE', key).ok, {}
  if kind == 'zset' then members = redis.call('ZRANGE', key, 0, -1) end
  if kind == 'hash' then members = redis.call('HKEYS', key) end
  contents[#contents + 1] = {key, kind, members}
end
return contents
"""
#: A worker that sleeps, and takes from a queue where nothing else is.
SLEEPER: Final = Worker("worker-s", "process", ("z",), 600_000, 60_000)
#: A tick in the past, and one in the future.
DUE: Final = 1_700_000_000_000
LATER: Final = 4_000_000_000_000
_READY_SETS = ("ready:", "suspects:", "aside:", "suspects-aside:")
#: Messages that MINE holds, for each of which another waits.
_BONDS: Final[dict[str, dict[str, Any]]] = {
    "holder": {"unique": UniqueKey("k", conflict="replace", window=600_000)},
    "limited": {"limits": (Limit("l", 1),)},
    "rated": {"limits": (Limit("r", 1, 600_000), Limit("l", 2))},
}
_NAMES = [f"held-{n}" for n in range(8)]
_MEMBERS = ["member-0", "member-1", "lone", "joining"]


class Situation:
    """A namespace in which something of every kind is stored.

    Args:
        backend: With all rights, on an empty namespace.
        rare: There is a paused queue too, messages are set aside, and workers have told of themselves.
    """

    def __init__(self, backend: RedisBackend, rare: bool = False) -> None:
        self.backend = backend
        messages = backend.messages
        for worker in (MINE, OTHER, LOST, NAMED, TWOFOLD, SLEEPER):
            messages.register(worker)
        self._let_one_sleep()  # first: its step takes over, and promotes, whatever there is
        tracked = {"status_ttl": 600_000}
        messages.add([Submission(name, "q", b"p", **tracked) for name in _NAMES], "r1")
        self._add_groups()
        messages.add([_new(name, **bonds) for name, bonds in _BONDS.items()], "b1")
        self.tokens = {each.uuid: each.token for each in messages.step(MINE, 1, [], {MINE.kind: 15}).claimed}
        messages.add([_new(f"waits-{name}", **bonds) for name, bonds in _BONDS.items()], "b2")
        messages.add([Submission("others", "q", b"p", ttl=600_000)], "r2")
        messages.step(OTHER, 1, [], {OTHER.kind: 1})
        messages.add([Submission("losts", "r", b"p", ttl=600_000, **tracked)], "r3")
        messages.step(LOST, 1, [], {LOST.kind: 1})
        messages.add([Submission(f"ready-{n}", "q", b"p", **tracked) for n in range(3)], "r4")
        messages.add([Submission("suspect", "s", b"p")], "r5")
        (suspect,) = messages.step(NAMED._replace(queues=("s",)), 1, [], {NAMED.kind: 1}).claimed
        messages.step(NAMED, 2, [Lost("suspect", "s", suspect.token, True)], {NAMED.kind: 0})
        messages.add([Submission("due", "q", b"p", delay=1, **tracked)], "r6")
        messages.add([Submission("later", "q", b"p", delay=600_000)], "r7")
        for name in ("dead", "deader"):
            messages.add([Submission(name, "q", b"p", **tracked)], f"r8{name}")
            messages.fail("q", name, b"{}", 600_000)
        letter = messages.dead_letter("q", "dead")
        assert letter is not None
        self.died_at = letter.died_at
        messages.revoke("q", "others")
        backend.results.put("result", b"1", 600_000, progenitor="root")
        backend.locks.acquire("lock", "me", 600_000)
        backend.values.put("value", b"1", 600_000)
        self._add_schedules()
        transfer = backend.transfer
        transfer.open_source("move", "target", "there", 600_000)
        transfer.open_target("move", "source", 0, 0)
        transfer.stage("move", "source", "batch", b"data")
        self.copies = [copy for kind in CopyKind for copy in self._read(kind)]
        backend._link.call("ZADD", f"{backend.namespace}:workers", 1, LOST.id)
        #: Copies of a message, and of a dead letter, that have been reported on, and when that died; if there are any.
        self.told: tuple[list[Copy], list[Copy]] = [], []
        self.told_died_at = 0
        if rare:
            self._add_rare_things()
        time.sleep(0.002)  # the delay of 1 ms is over
        self._first = self.keys()

    def _let_one_sleep(self) -> None:
        """Let SLEEPER sleep, and be pushed a message; its waiter receives what else it is pushed."""
        messages = self.backend.messages
        self._waiter = messages.waiter(SLEEPER)
        self._waiter.arm()
        messages.step(SLEEPER, 1, [], {SLEEPER.kind: 3}, sleeps=True)
        messages.add([_new("pushed")._replace(queue="z")], "r12")
        (self.pushed,) = messages.held(SLEEPER)
        # It may be pushed messages for as long as a test takes.
        key = f"{self.backend.namespace}:sleeping"
        note = self.backend._link.call("HGET", key, SLEEPER.id).split(b"|")
        self.backend._link.call("HSET", key, SLEEPER.id, b"|".join([*note[:3], b"%d" % LATER, *note[4:]]))

    def pushed_outcomes(self) -> list[Outcome]:
        """The outcome of what SLEEPER was pushed."""
        return [Succeeded(self.pushed.uuid, self.pushed.queue, self.pushed.token)]

    def _add_rare_things(self) -> None:
        messages = self.backend.messages
        gone = Worker("worker-g", "process", None, 600_000, 60_000)
        for worker in (MINE, OTHER, gone):
            messages.register(worker, FACTS)
        messages.retire(gone)
        messages.renew(MINE, 1, self.tokens.values(), [Running("held-0", 1, 1, 17)])
        messages.add([Submission("aside", "u", b"p"), Submission("suspect-aside", "u", b"p")], "r9")
        other = NAMED._replace(queues=("u",))
        first, second = messages.step(other, 3, [], {NAMED.kind: 2}).claimed
        messages.step(other, 4, [Lost(second.uuid, "u", second.token, True)], {NAMED.kind: 0})
        (second,) = messages.step(other, 5, [], {NAMED.kind: 1}).claimed
        outcomes = [
            SetAside(each.uuid, "u", each.token, "t", b"{}", 60_000, True) for each in (first, second)
        ]
        messages.step(NAMED, 6, outcomes, {NAMED.kind: 0}, [HistoryCounts("q", "t", "s:1")])
        for wish in get_args(Wish):
            messages.add([Submission(f"{wish}-{n}", "v", b"p", wish=wish) for n in range(3)], f"r9{wish}")
        messages.pause("p", "me")
        messages.add([Submission("paused", "p", b"p")], "r10")
        self._add_reports()

    def _add_reports(self) -> None:
        """Let MINE report on messages that it holds, and others on one that waits again and on one that has died."""
        messages, other = self.backend.messages, NAMED._replace(id="worker-h", queues=("w",))
        messages.report(MINE, [self.report("held-3"), self.report("held-4"), self.report("holder")])
        messages.register(other)
        messages.add([_new("told")._replace(queue="w"), _new("told-dead")._replace(queue="w")], "r11")
        told, dead = messages.step(other, 1, [], {other.kind: 2}).claimed
        messages.report(other, [self.report(each.uuid, each.token) for each in (told, dead)])
        outcomes = [Released.of(told), Failed("told-dead", "w", dead.token, b"{}", 600_000)]
        messages.retire(other, outcomes)
        letter = messages.dead_letter("w", "told-dead")
        assert letter is not None
        self.told_died_at = letter.died_at
        found = {copy.key: copy for kind in CopyKind for copy in self._read(kind)}
        self.told = [found["w", "told"]], [found["w", "told-dead"]]

    def report(self, name: str, token: int | None = None, number: int = 1) -> Report:
        """A report of MINE, or under this token."""
        token = self.tokens[name] if token is None else token
        return Report(name, "q", token, number, b"{}", b"1", (b"one", b"two"), 1)

    def report_outcomes(self, *more: Outcome) -> list[Outcome]:
        """Reports on what MINE holds, the first ones and later ones, and ends of it."""
        held = {name: (name, "q", self.tokens[name]) for name in _NAMES}
        reports = [self.report("held-0"), self.report("held-3", number=2), self.report("held-5")]
        failed = Failed(*held["held-3"], error=b"{}", dlq_ttl=600_000)
        return [*reports, Succeeded(*held["held-0"]), failed, Released(*held["held-5"]), *more]

    def _read(self, kind: CopyKind) -> list[Copy]:
        return [copy for page in self.backend.transfer.read(kind, 1_000) for copy in page.copies]

    def _add_groups(self) -> None:
        """Add a group with one in it, of which MINE will hold all members, one that has failed, one that has joined."""
        messages, groups = self.backend.messages, self.backend.groups
        after = Submission("after", "q", b"p", status_ttl=600_000, joins="outer")
        groups.create(GroupSubmission("outer", 2, callback=after, unreachable=("after", "later")), "g1")
        inner = GroupSubmission("inner", 2, unreachable=("inside",), parent=GroupPlace("outer", 0))
        groups.create(inner, "g2")
        groups.create(GroupSubmission("lonely", 1, False, callback=after._replace(delay=600_000)), "g3")
        joining = Submission("joining", "q", b"p", joins="empty")
        places = [GroupPlace("inner", 0), GroupPlace("inner", 1), GroupPlace("lonely", 0)]
        members = zip(_MEMBERS, places, strict=False)
        messages.add([Submission(name, "q", b"p", group=place) for name, place in members], "g4")
        groups.create(GroupSubmission("empty", 0, callback=joining), "g5")
        groups.create(GroupSubmission("failed", 2, unreachable=("never",)), "g6")
        failed = [Submission(f"failed-{n}", "r", b"p", group=GroupPlace("failed", n)) for n in range(2)]
        messages.add(failed, "g7")
        messages.fail("r", "failed-0", b"{}", 600_000)

    def _add_schedules(self) -> None:
        """Add schedules: one that is due, one that is due later, one that is paused."""
        schedules = self.backend.schedules
        schedules.put("daily", b"{}", "r1", LATER)
        schedules.put("often", b"{}", "r1", DUE)
        schedules.put("paused", b"{}", "r1", DUE)
        schedules.pause("paused", "me")

    def outcomes_of_members(self, *, well: bool) -> list[Outcome]:
        """Of the members that MINE holds, and of the callback of a group."""
        held = {name: (name, "q", self.tokens[name]) for name in (*_MEMBERS, "held-0", "held-1")}
        follows = _new("follows", group=GroupPlace("inner", 0))
        group = GroupSubmission("new", 2, callback=_new("last", joins="new"))
        nested = GroupSubmission("new inner", 1, parent=GroupPlace("new", 0))
        new_members = [
            _new("new-0", group=GroupPlace("new inner", 0)),
            _new("new-1", group=GroupPlace("new", 1), delay=600_000),
        ]
        if well:
            return [
                *(Succeeded(*held[name], group_result=b"1") for name in _MEMBERS),
                Succeeded(*held["held-0"], groups=(group, nested), members=tuple(new_members)),
            ]
        failed = Failed(*held["member-1"], error=b"{}", dlq_ttl=600_000, unreachable=("a", "b"))
        return [
            Succeeded(*held["member-0"], b"1", 600_000, callback=follows, group_result=b"1"),
            failed._replace(callback=_new("told")),
            Failed(*held["lone"], error=b"{}", dlq_ttl=0, revoked=True),
            Failed(*held["joining"], error=b"{}", dlq_ttl=600_000),
            SetAside(
                *held["held-1"], "nobody's", b"{}", 600_000, callback=_new("told too"), unreachable=("c",)
            ),
        ]

    def rare_outcomes(self) -> list[Outcome]:
        """Of what MINE holds, one for which a worker is there, one for which none is."""
        held = {name: (name, "q", self.tokens[name]) for name in _NAMES}
        return [
            SetAside(*held["held-0"], task="t", error=b"{}", dlq_ttl=600_000),
            SetAside(*held["held-1"], task="nobody's", error=b"{}", dlq_ttl=600_000),
            SetAside(*held["held-2"], task="nobody's", error=b"{}", dlq_ttl=600_000, wait=True),
        ]

    def outcomes(self) -> list[Outcome]:
        """One of each kind, on what MINE holds."""
        held = {name: (name, "q", self.tokens[name]) for name in _NAMES}
        callback = Submission("callback", "q", b"p", status_ttl=600_000)
        later = Submission("callback-later", "q", b"p", delay=600_000)
        return [
            Succeeded(*held["held-0"]),
            Succeeded(*held["held-1"], result=b"1", result_ttl=600_000, progenitor="root", callback=callback),
            Succeeded(*held["held-2"], callback=later),
            Retried(*held["held-3"], delay=60_000, retries=1),
            Retried(*held["held-4"], delay=0, retries=1, payload=b"p"),
            Failed(*held["held-5"], error=b"{}", dlq_ttl=600_000),
            Released(*held["held-6"]),
            Lost(*held["held-7"], suspect=True),
        ]

    def bond_outcomes(self) -> list[Outcome]:
        """Of the messages with a key or limits that MINE holds."""
        held = {name: (name, "q", self.tokens[name]) for name in _BONDS}
        again = Succeeded(*held["limited"], callback=_new("again", **_BONDS["limited"]))
        return [Failed(*held["holder"], b"{}", 600_000), again, Retried(*held["rated"], delay=0, retries=1)]

    def of_kind(self, kind: CopyKind) -> list[Copy]:
        """Copies of all that waited or was kept at the beginning, of this kind."""
        return [copy for copy in self.copies if isinstance(copy, COPY_CLASSES[kind])]

    def keys(self) -> dict[bytes, bytes]:
        """Every key of the namespace, with its content."""
        found = iter(self.backend._link.call("EVAL", _ALL, 0, f"{self.backend.namespace}:*"))
        return dict(zip(found, found, strict=True))

    def reset(self) -> None:
        """Make all as it was at the beginning."""
        self._waiter.drain()
        self._waiter.arm()  # anew, if it has waited for as long as it waits: what wakes it must always find it
        flat = [part for pair in self._first.items() for part in pair]
        self.backend._link.call("EVAL", _RESTORE, 0, f"{self.backend.namespace}:*", *flat)

    def placed(self) -> set[bytes]:
        """The uuids that wait somewhere, or that a worker holds."""
        prefix = f"{self.backend.namespace}:"
        found: set[bytes] = set()
        for name, kind, members in self.backend._link.call("EVAL", _CONTENTS, 0, f"{prefix}*"):
            key = name.decode().removeprefix(prefix)
            if kind == b"zset" and key.startswith(_READY_SETS) and key.count(":") == 2:
                found.update(member[13:] for member in members)
            elif kind == b"zset" and key == "delayed":
                found.update(member[13:].split(b"\n")[0] for member in members)
            elif kind == b"zset" and key.startswith("line:"):
                found.update(member[13:] for member in members)
            elif kind == b"hash" and (key.startswith("claims:") or key == "waits"):
                found.update(members)
        return found

    def stored(self) -> set[bytes]:
        """The uuids of all messages that are stored; none if somebody has overwritten their place."""
        link, name = self.backend._link, f"{self.backend.namespace}:messages"
        return set(link.call("HKEYS", name)) if link.call("TYPE", name) == b"hash" else set()


def _status(situation: Situation, backend: RedisBackend) -> object:
    record = situation.backend.statuses.get(["ready-0"])[0] or StatusRecord("", TaskStatus(0), None, 0)
    return backend.statuses.replace("ready-0", record, TaskStatus.UNKNOWN, 60_000)


def _new(name: str, **changes: Any) -> Submission:
    return Submission(name, "q", b"p", status_ttl=600_000, **changes)


COUNTS: Final = [HistoryCounts("q", "t", "s:1 o:2"), HistoryCounts("q", "u", "s:1")]


def _renamed(situation: Situation, kind: CopyKind) -> list[Copy]:
    """Copies of this kind under names that nothing has."""
    return _under_new_names(situation.of_kind(kind))


def _under_new_names(copies: list[Copy]) -> list[Copy]:
    return [type(copy)(f"new-{copy[0]}", *copy[1:]) for copy in copies]


def _hear(backend: RedisBackend, worker: Worker) -> int:
    """Let a worker be told, as its waiter on a cluster does."""
    ports: Any = backend._ports
    lists = token_lists(ports.keys, worker)
    answer: int = ports._call("hear")(worker.id.encode(), *(name.encode() for name in lists))
    return answer


#: What is called, by the script that it is the proof of, on the backend to be tested, in the situation's namespace.
#: Those with "rare" in their name find the rare things there too.
OPERATIONS: Final[dict[str, Callable[[Situation, RedisBackend], object]]] = {
    "add_one": lambda s, b: b.messages.add([_new("new")], "n"),
    "add": lambda s, b: b.messages.add([_new("new"), _new("newer", delay=60_000)], "n"),
    "add ready": lambda s, b: b.messages.add([_new("new"), _new("newer")], "n"),
    "add used": lambda s, b: b.messages.add([_new("dead", named=True), _new("root", named=True)], "n"),
    "register": lambda s, b: b.messages.register(MINE._replace(id="worker-e")),
    "register facts": lambda s, b: b.messages.register(MINE._replace(id="worker-e"), FACTS),
    "register again rare": lambda s, b: b.messages.register(MINE, FACTS),
    "step": lambda s, b: b.messages.step(MINE, 2, s.outcomes(), {MINE.kind: 8}),
    "step idle": lambda s, b: b.messages.step(NAMED, 3, [], {NAMED.kind: 2}),
    "step rare": lambda s, b: b.messages.step(MINE, 2, s.rare_outcomes(), {MINE.kind: 8}, COUNTS),
    "step idle rare": lambda s, b: b.messages.step(NAMED, 7, [], {NAMED.kind: 2}, COUNTS),
    "step again rare": lambda s, b: b.messages.step(NAMED, 6, [], {NAMED.kind: 2}, COUNTS),
    "step again": lambda s, b: b.messages.step(MINE, 1, [], {MINE.kind: 8}),
    "step by slot": lambda s, b: b.messages.step(TWOFOLD, 1, [], {"thread": 2, "coroutine": 9}),
    "step by slot rare": lambda s, b: b.messages.step(TWOFOLD, 1, [], {"thread": 9, "coroutine": 2}, COUNTS),
    "step that looks rare": lambda s, b: b.messages.step(MINE, 2, [], {"thread": 9, "coroutine": 9}),
    "add_one async": lambda s, b: b.messages.add([_new("new", wish="any-async")], "n"),
    "step sleep": lambda s, b: b.messages.step(NAMED, 3, [], {NAMED.kind: 2}, sleeps=True),
    "step sleep pushed": lambda s, b: b.messages.step(
        SLEEPER, 2, [], {SLEEPER.kind: 2}, sleeps=True, received=0
    ),
    "step sleep awake": lambda s, b: b.messages.step(
        SLEEPER, 2, s.pushed_outcomes(), {SLEEPER.kind: 0}, received=1
    ),
    "step sleep again": lambda s, b: b.messages.step(SLEEPER, 1, [], {SLEEPER.kind: 2}, sleeps=True),
    "add_one pushed": lambda s, b: b.messages.add([_new("new")._replace(queue="z")], "n"),
    "register sleeper": lambda s, b: b.messages.register(SLEEPER),
    "renew sleeper": lambda s, b: b.messages.renew(SLEEPER, 1, []),
    "retire sleeper": lambda s, b: b.messages.retire(SLEEPER, s.pushed_outcomes()),
    "renew": lambda s, b: b.messages.renew(MINE, 1, list(s.tokens.values())[:4]),
    "renew running": lambda s, b: b.messages.renew(MINE, 1, s.tokens.values(), [Running("held-1", 1, 1, 17)]),
    "renew nothing rare": lambda s, b: b.messages.renew(MINE, 1, s.tokens.values(), []),
    "retire rare": lambda s, b: b.messages.retire(MINE, s.rare_outcomes()),
    "retire": lambda s, b: b.messages.retire(MINE, s.outcomes()[:6]),
    "hear": lambda s, b: _hear(b, MINE),
    "hear twice": lambda s, b: (_hear(b, OTHER), _hear(b, OTHER)),
    "held": lambda s, b: b.messages.held(MINE),
    "report rare": lambda s, b: b.messages.report(MINE, [s.report("held-0"), s.report("held-3", number=2)]),
    "report_records rare": lambda s, b: b.messages.reports(["held-3", "told-dead", "held-0"], True),
    "step reports rare": lambda s, b: b.messages.step(MINE, 2, s.report_outcomes(), {MINE.kind: 8}),
    "retire reports rare": lambda s, b: b.messages.retire(
        MINE, s.report_outcomes(Retried("held-4", "q", s.tokens["held-4"], 0, 1))
    ),
    "add reported rare": lambda s, b: b.messages.add(
        [_new("told-dead", named=True), _new("new", **_BONDS["holder"])], "n"
    ),
    "fail reported rare": lambda s, b: b.messages.fail("w", "told", b"{}", 600_000),
    "remove reported rare": lambda s, b: b.messages.remove("w", "told"),
    "replay reported rare": lambda s, b: b.messages.replay(
        _new("told-dead")._replace(queue="w"), s.told_died_at
    ),
    "purge reported rare": lambda s, b: b.messages.purge("w"),
    "move_out reported rare": lambda s, b: b.transfer.take_out("move", "b1", s.told[0]),
    "move_out reported letters rare": lambda s, b: b.transfer.take_out("move", "b1", s.told[1]),
    "move_in reported rare": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _under_new_names(s.told[0])) == []
    ),
    "move_in reported letters rare": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _under_new_names(s.told[1])) == []
    ),
    "pass_on": lambda s, b: b.messages.waiter(MINE).pass_on(),
    "remove": lambda s, b: b.messages.remove("q", "ready-0"),
    "remove rare": lambda s, b: b.messages.remove("u", "aside"),
    "remove held": lambda s, b: b.messages.remove("q", "held-0"),
    "reschedule": lambda s, b: b.messages.reschedule(Retried("ready-0", "q", 0, 60_000, 1)),
    "reschedule held": lambda s, b: b.messages.reschedule(Retried("held-0", "q", 0, 0, 1, payload=b"p")),
    "fail": lambda s, b: b.messages.fail("q", "later", b"{}", 600_000),
    "fail held": lambda s, b: b.messages.fail("q", "held-0", b"{}", 600_000),
    "revoke": lambda s, b: b.messages.revoke("q", "held-0"),
    "pause": lambda s, b: b.messages.pause("q", "me"),
    "pause rare": lambda s, b: b.messages.pause("u", "me"),
    "resume rare": lambda s, b: b.messages.resume("p"),
    "pauses rare": lambda s, b: b.messages.pauses(),
    "now": lambda s, b: b.messages.now(),
    "find": lambda s, b: b.messages.find("held-0"),
    "find rare": lambda s, b: b.messages.find("suspect-aside"),
    "find_dead": lambda s, b: b.messages.find_dead("dead"),
    "place": lambda s, b: b.messages.place("q", "ready-1", 100),
    "tallies": lambda s, b: b.messages.tallies(["q", "s"]),
    "tallies rare": lambda s, b: b.messages.tallies(["p", "u"]),
    "fronts": lambda s, b: b.messages.fronts(["q", "s"]),
    "peek": lambda s, b: [
        b.messages.peek("q", state, 9) for state in ("ready", "delayed", "claimed", "waiting")
    ],
    "aside rare": lambda s, b: b.messages.aside(),
    "worker_records rare": lambda s, b: b.messages.workers(),
    "history rare": lambda s, b: b.messages.history(0, 1 << 40),
    "get": lambda s, b: b.messages.get("q", "ready-0"),
    "browse": lambda s, b: list(b.messages.browse("q")),
    "dead_letter": lambda s, b: b.messages.dead_letter("q", "dead"),
    "dead_letters": lambda s, b: list(b.messages.dead_letters("q")),
    "dead_queues": lambda s, b: b.messages.dead_queues(),
    "replay": lambda s, b: b.messages.replay(_new("dead"), s.died_at),
    "purge": lambda s, b: b.messages.purge("q", "dead"),
    "purge all": lambda s, b: b.messages.purge("q"),
    "step members": lambda s, b: b.messages.step(MINE, 2, s.outcomes_of_members(well=True), {MINE.kind: 8}),
    "step members fail": lambda s, b: b.messages.step(
        MINE, 2, s.outcomes_of_members(well=False), {MINE.kind: 8}
    ),
    "retire members": lambda s, b: b.messages.retire(MINE, s.outcomes_of_members(well=False)),
    "renew member": lambda s, b: b.messages.renew(MINE, 1, [s.tokens["member-0"]]),
    "remove member": lambda s, b: b.messages.remove("q", "member-0"),
    "fail member": lambda s, b: b.messages.fail(
        "q", "lone", b"{}", 600_000, _new("told", delay=600_000), ("a", "b")
    ),
    "replay callback": lambda s, b: b.messages.replay(_new("dead", joins="empty"), s.died_at, ("a", "never")),
    "add bonds": lambda s, b: b.messages.add(
        [_new(f"new-{name}", **bonds) for name, bonds in _BONDS.items()], "n"
    ),
    "add bonds that are new": lambda s, b: b.messages.add(
        [
            _new("new", unique=UniqueKey("new", "started"), limits=(Limit("new", 1), Limit("new", 1, 9))),
            _new("newer", unique=UniqueKey("new", conflict="replace"), limits=(Limit("l", 9),)),
        ],
        "n",
    ),
    "step bonds": lambda s, b: b.messages.step(MINE, 2, s.bond_outcomes(), {MINE.kind: 8}),
    "retire bonds": lambda s, b: b.messages.retire(MINE, s.bond_outcomes()[:1]),
    "remove waiting": lambda s, b: b.messages.remove("q", "waits-limited"),
    "remove bonds": lambda s, b: b.messages.remove("q", "holder"),
    "fail bonds": lambda s, b: b.messages.fail("q", "limited", b"{}", 60_000),
    "reschedule waiting": lambda s, b: b.messages.reschedule(Retried("waits-holder", "q", 0, 60_000, 1)),
    "find waiting": lambda s, b: b.messages.find("waits-rated"),
    "replay bonds": lambda s, b: b.messages.replay(_new("dead", **_BONDS["holder"]), s.died_at),
    "limit_records": lambda s, b: b.messages.limits(),
    "key_record": lambda s, b: b.messages.unique_key("k"),
    "group_create": lambda s, b: b.groups.create(
        GroupSubmission("new", 2, callback=_new("last"), parent=GroupPlace("outer", 1)), "g8"
    ),
    "group_create empty": lambda s, b: b.groups.create(
        GroupSubmission("new", 0, callback=_new("last", delay=600_000), parent=GroupPlace("outer", 1)), "g8"
    ),
    "group_revoke": lambda s, b: b.groups.revoke("outer"),
    "schedule_put": lambda s, b: b.schedules.put("new", b"{}", "r1", DUE - 1),
    "schedule_put rare": lambda s, b: b.schedules.put("daily", b"{}", "r2", DUE - 1, "r1"),
    "schedule_put without a tick": lambda s, b: b.schedules.put("often", b"{}", "r2", None, "r1"),
    "schedule_fire": lambda s, b: b.schedules.fire(
        "often", "r1", DUE, [_new("new"), _new("newer", delay=60_000)], "n", LATER, DUE
    ),
    "schedule_fire bonds rare": lambda s, b: b.schedules.fire(
        "often",
        "r1",
        DUE,
        [_new("ready-0"), *(_new(f"new-{name}", **_BONDS[name]) for name in _BONDS)],
        "n",
        1,
    ),
    "schedule_fire nothing": lambda s, b: b.schedules.fire("often", "r1", DUE, [], "n", None),
    "schedule_pause": lambda s, b: b.schedules.pause("often", "me"),
    "schedule_resume rare": lambda s, b: b.schedules.resume("paused", "r1", DUE - 1),
    "schedule_remove": lambda s, b: b.schedules.remove("daily"),
    "result_put": lambda s, b: b.results.put("held-0", b"1", 60_000, 9, "root"),
    "descendants": lambda s, b: b.results.descendants("root"),
    "status_put": lambda s, b: b.statuses.put("ready-0", TaskStatus.FAILED, b"{}", 60_000),
    "status_put replace": _status,
    "move_from": lambda s, b: b.transfer.open_source("move", "target", "there", 60_000),
    "move_out": lambda s, b: b.transfer.take_out("move", "b1", s.of_kind(CopyKind.MESSAGE)),
    "move_out letters": lambda s, b: b.transfer.take_out("move", "b1", s.of_kind(CopyKind.DEAD_LETTER)),
    "move_out results": lambda s, b: b.transfer.take_out("move", "b1", s.of_kind(CopyKind.RESULT)),
    "move_out values": lambda s, b: b.transfer.take_out("move", "b1", s.of_kind(CopyKind.VALUE)),
    "move_out schedules": lambda s, b: b.transfer.take_out("move", "b1", s.of_kind(CopyKind.SCHEDULE)),
    "move_to": lambda s, b: b.transfer.open_target("move-2", "source", 99, 99).staged,
    "move_check": lambda s, b: b.transfer.refusals(s.copies),
    "move_stage": lambda s, b: b.transfer.stage("move", "source", "batch-2", b"data") is None,
    "move_in": lambda s, b: b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.MESSAGE)) == [],
    "move_in again": lambda s, b: b.transfer.commit("move", "source", "batch", s.of_kind(CopyKind.MESSAGE)),
    "move_in letters": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.DEAD_LETTER)) == []
    ),
    "move_in results": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.RESULT)) == []
    ),
    "move_in statuses": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.STATUS)) == []
    ),
    "move_in values": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.VALUE)) == []
    ),
    "move_in schedules": lambda s, b: (
        b.transfer.commit("move", "source", "batch", _renamed(s, CopyKind.SCHEDULE)) == []
    ),
    "move_end": lambda s, b: b.transfer.close_source("move") is None,
    "move_read": lambda s, b: list(b.transfer.read(CopyKind.VALUE, 10)),
    "lock_take": lambda s, b: b.locks.acquire("other lock", "me", 60_000),
    "lock_change": lambda s, b: b.locks.release("lock", "me"),
    "lock_change extend": lambda s, b: b.locks.extend("lock", "me", 60_000),
}

#: Of these, the names of the scripts.
SCRIPTS: Final = {name.partition(" ")[0] for name in OPERATIONS}
