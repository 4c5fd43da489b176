"""Groups on Redis: what their keys cost, how long they live, and what a group that is damaged or moved does."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis

from alsek.storage.backends.copies import IN_A_GROUP, CopyKind
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    GroupMember,
    GroupPlace,
    GroupSubmission,
    Outcome,
    Step,
    Submission,
    Succeeded,
    Worker,
)
from alsek.storage.backends.redis import RedisBackend
from tests.command_counts import calls_of

pytestmark = pytest.mark.redis


class _Hands:
    """A worker that is moved by hand.

    Args:
        backend: Of which it takes messages.
    """

    def __init__(self, backend: RedisBackend) -> None:
        self._messages = backend.messages
        self._worker = Worker(uuid4().hex, "thread", None, 60_000, 60_000)
        self._seq = 0
        self._messages.register(self._worker)

    def step(self, *outcomes: Outcome, limit: int = 0) -> Step:
        """Report these outcomes, and claim up to so many messages."""
        self._seq += 1
        return self._messages.step(self._worker, self._seq, outcomes, {"thread": limit})


def _done(claimed: Claimed, result: bytes = b"1") -> Succeeded:
    return Succeeded(claimed.uuid, claimed.queue, claimed.token, group_result=result)


def _fill(backend: RedisBackend, group: GroupSubmission) -> None:
    """Create a group, and submit all its members."""
    assert backend.groups.create(group, uuid4().hex)
    members = [
        Submission(f"{group.id}-{n}", "q", b"p", group=GroupPlace(group.id, n)) for n in range(group.total)
    ]
    backend.messages.add(members, uuid4().hex)


def _lives(backend: RedisBackend, *names: str) -> list[int]:
    """How long these keys are kept: -1 for ever, -2 for one that is not there."""
    return [int(backend._link.call("PTTL", f"{backend.namespace}:{name}")) for name in names]


@pytest.fixture
def alone(lone_redis: redis.Redis) -> Iterator[RedisBackend]:
    """A backend on a server that has no other user."""
    made = RedisBackend(lone_redis)
    yield made
    made.close()


def test_a_member_costs_the_same_in_a_group_of_any_size(lone_redis: redis.Redis, alone: RedisBackend) -> None:
    """The end of a member reads and writes a few fields, however many have ended or are awaited."""
    hands, spent = _Hands(alone), []
    for total in (20, 500):
        _fill(alone, GroupSubmission(f"g{total}", total))
        claimed = hands.step(limit=total).claimed
        hands.step(*map(_done, claimed[: total // 2]))
        before = calls_of(lone_redis)
        hands.step(*map(_done, claimed[total // 2 : total // 2 + 5]))
        after = calls_of(lone_redis)
        spent.append({name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)})
        hands.step(*map(_done, claimed[total // 2 + 5 :]))
    assert spent[0] == spent[1]
    assert spent[0]["hset"] <= 4  # the members, their counts, the uuids that ended, the worker's line


def test_a_chain_of_groups_joins_in_one_step(backend: RedisBackend) -> None:
    """A group in a group, five hundred deep: the one member ends them all, and the outermost callback is submitted."""
    depth = 500
    for n in range(depth):
        callback = Submission("last", "q", b"p", joins="g0") if n == 0 else None
        parent = GroupPlace(f"g{n - 1}", 0) if n else None
        assert backend.groups.create(GroupSubmission(f"g{n}", 1, callback=callback, parent=parent), f"r{n}")
    inmost = GroupPlace(f"g{depth - 1}", 0)
    backend.messages.add([Submission("only", "q", b"p", group=inmost)], "r")
    hands = _Hands(backend)
    (only,) = hands.step(limit=1).claimed
    assert [each.uuid for each in hands.step(_done(only), limit=1).claimed] == ["last"]
    assert backend.groups.members("g0", 0, 1) == [GroupMember(0, "g1", "group")]


def test_a_chain_of_groups_fails_in_one_step(backend: RedisBackend) -> None:
    """The failure of the one member is that of all groups around it."""
    depth = 500
    for n in range(depth):
        parent = GroupPlace(f"g{n - 1}", 0) if n else None
        assert backend.groups.create(GroupSubmission(f"g{n}", 1, parent=parent), f"r{n}")
    inmost = GroupPlace(f"g{depth - 1}", 0)
    backend.messages.add([Submission("only", "q", b"p", group=inmost)], "r")
    assert backend.messages.fail("q", "only", b"why", 0)
    outmost = backend.groups.get("g0")
    assert outmost is not None
    assert (outmost.state, outmost.failure) == ("failed", GroupMember(0, "only", "failed", b"why"))


def test_what_comes_after_the_end_of_a_group_expires_with_it(backend: RedisBackend) -> None:
    """Members that end later, and groups that are added later, leave nothing behind that stays."""
    _fill(backend, GroupSubmission("g", 2, ttl=50_000))
    assert _lives(backend, "group:g", "members:g", "nested:g") == [-1, -2, -2]
    assert backend.groups.revoke("g")
    inner = GroupSubmission("inner", 1, ttl=10_000, parent=GroupPlace("g", 1))
    assert backend.groups.create(inner, "r")
    backend.messages.remove("q", "g-0")
    assert all(0 < left <= 50_000 for left in _lives(backend, "group:g", "members:g", "nested:g"))
    assert _lives(backend, "group:inner") == [-1]
    assert backend.groups.revoke("inner")
    assert 10_000 < _lives(backend, "group:inner")[0] <= 50_000


def test_a_payload_of_a_callback_is_kept_until_it_is_submitted(backend: RedisBackend) -> None:
    """It is in the store once: in the group, or in the message."""
    callback = Submission("callback", "q", b"x" * 10_000, joins="g")
    _fill(backend, GroupSubmission("g", 1, callback=callback))
    name = f"{backend.namespace}:group:g"
    assert int(backend._link.call("HSTRLEN", name, "callback")) > 10_000
    hands = _Hands(backend)
    hands.step(_done(hands.step(limit=1).claimed[0]))
    assert backend._link.call("HEXISTS", name, "callback") == 0
    stored = backend.messages.get("q", "callback")
    assert stored is not None
    assert stored.payload == callback.payload


@pytest.mark.parametrize("group_result", [b"x" * 10_000, b"y" * 10_000])
def test_a_result_goes_to_the_server_once(
    lone_redis: redis.Redis, alone: RedisBackend, group_result: bytes
) -> None:
    """If the result for the group is what the result store keeps, it is not sent twice."""
    _fill(alone, GroupSubmission("g", 1))
    hands, result = _Hands(alone), b"x" * 10_000
    done = _done(hands.step(limit=1).claimed[0], group_result)._replace(result=result)
    before = lone_redis.info("stats")["total_net_input_bytes"]
    hands.step(done)
    assert lone_redis.info("stats")["total_net_input_bytes"] - before < 12_000 + 10_000 * (
        group_result != result
    )
    assert alone.groups.members("g", 0, 1) == [GroupMember(0, "g-0", "succeeded", group_result)]
    found = alone.results.get(["g-0"])[0]
    assert found is not None
    assert found.payload == result


@pytest.mark.parametrize("name", ["group:g", "members:g", "nested:g", "unreachable:callback"])
def test_a_worker_goes_on_beside_a_foreign_key(backend: RedisBackend, name: str) -> None:
    """What it finished has ended, and its answer names the key."""
    callback = Submission("callback", "q", b"p", joins="g")
    _fill(backend, GroupSubmission("g", 2, callback=callback, unreachable=("callback",)))
    hands = _Hands(backend)
    one, two = hands.step(limit=2).claimed
    key = f"{backend.namespace}:{name}"
    backend._link.call("DEL", key)
    backend._link.call("RPUSH", key, "foreign")
    step = hands.step(_done(one), Failed(two.uuid, "q", two.token, b"{}", 60_000))
    assert step.refused == []
    assert backend.messages.count("q") == 0
    assert backend.messages.dead_letter("q", two.uuid) is not None
    if name != "unreachable:callback":  # SET replaces what is there
        assert [each.queue for each in step.corrupt] == [key]
        assert "WRONGTYPE" in step.corrupt[0].reason


def test_what_is_in_a_group_is_not_moved(backend: RedisBackend) -> None:
    """Members and callbacks of groups stay in their store, which says why; all else can be moved."""
    _fill(backend, GroupSubmission("g", 1))
    callback = Submission("callback", "q", b"p", joins="h")
    assert backend.groups.create(GroupSubmission("h", 0, callback=callback), "r")
    backend.messages.add([Submission("free", "q", b"p")], "r")
    (page,) = backend.transfer.read(CopyKind.MESSAGE, 10)
    assert [copy.key for copy in page.copies] == [("q", "free")]
    assert sorted(page.unreadable) == [("callback", IN_A_GROUP), ("g-0", IN_A_GROUP)]


def test_a_message_that_joined_a_group_meanwhile_is_not_taken_out(backend: RedisBackend) -> None:
    """A copy of a message is of no use once a member of a group has its uuid."""
    backend.messages.add([Submission("a", "q", b"p")], "r1")
    (page,) = backend.transfer.read(CopyKind.MESSAGE, 10)
    backend.messages.remove("q", "a")
    assert backend.groups.create(GroupSubmission("g", 1), "r2")
    backend.messages.add([Submission("a", "q", b"p", group=GroupPlace("g", 0))], "r3")
    backend.transfer.open_source("move", "target", "there", 60_000)
    assert backend.transfer.take_out("move", "batch", page.copies) == [False]
