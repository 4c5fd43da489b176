"""Lines of messages that wait for limits: what they cost, what older versions and other programs have left of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from alsek.storage.backends.records import Limit, Submission
from alsek.storage.backends.redis import RedisBackend
from tests.command_counts import calls_of
from tests.contract.workers import Actor, an_actor, state_of, succeeded

pytestmark = pytest.mark.redis

SHARED, ACME, INITECH = Limit("shared", 2), Limit("tenant acme", 1), Limit("tenant initech", 1)


def submit(backend: RedisBackend, *uuids: str, limits: tuple[Limit, ...]) -> None:
    """Add messages in one call."""
    backend.messages.add([Submission(uuid, "q", b"", limits=limits) for uuid in uuids], f"r{uuids[0]}")


def drain(worker: Actor, *held: object) -> list[str]:
    """Let the worker run one message after the other; return them in the order in which it got them."""
    came, left = list[str](), list(held)
    while left:
        claimed = worker.step(succeeded(left.pop(0))).claimed  # type: ignore[arg-type]
        came += [claim.uuid for claim in claimed]
        left += claimed
    return came


@pytest.fixture
def worker(backend: RedisBackend) -> Actor:
    """A registered worker."""
    return an_actor(backend)


def left_keys(backend: RedisBackend) -> list[str]:
    """What the store has of limits and lines."""
    link, prefix = backend._link, f"{backend.namespace}:"
    names = [name.decode().removeprefix(prefix) for name in link.call("KEYS", f"{prefix}*")]
    families = ("line", "waits", "waiting", "limit", "admitted", "starts")
    return sorted(name for name in names if name.startswith(families))


def test_messages_that_waited_each_by_itself_are_let_in(backend: RedisBackend, worker: Actor) -> None:
    """What an older version let wait for a limit is let in in its turn, or goes to its own line; nothing is left."""
    submit(backend, "a", limits=(SHARED, ACME))
    submit(backend, "b", limits=(SHARED, INITECH))
    held = worker.claim()
    submit(backend, "c", "d", limits=(SHARED, ACME))
    submit(backend, "e", limits=(SHARED,))
    submit(backend, "f", limits=(SHARED, INITECH))
    link, prefix = backend._link, f"{backend.namespace}:"
    link.call("DEL", f"{prefix}waiting:c:shared", f"{prefix}lines")
    for line in (b"c:shared,c:tenant acme", b"c:shared", b"c:shared,c:tenant initech"):
        key = f"{prefix}line:{line.decode()}"
        members = link.call("ZRANGE", key, 0, -1)
        for member in members:
            link.call("ZADD", f"{prefix}waiting:c:shared", 0, member)
            what = link.call("HGET", f"{prefix}waits", member[13:])
            old = b"c:shared" + what[what.index(b"|") :]
            link.call("HSET", f"{prefix}waits", member[13:], old)
        link.call("DEL", key)
    assert [limit.waiting for limit in backend.messages.limits(["c:shared"])] == [4]
    found = backend.messages.find("c")
    assert found is not None
    assert (found.stored.state, found.waits_for) == ("waiting", "c:shared")
    submit(backend, "g", limits=(SHARED, ACME))
    assert drain(worker, held[1], held[0]) == ["e", "f", "c", "d", "g"]
    assert left_keys(backend) == []


def test_an_older_message_that_waits_may_be_removed(backend: RedisBackend, worker: Actor) -> None:
    """One that an older version let wait leaves its limit."""
    submit(backend, "a", "b", limits=(ACME,))
    link, prefix = backend._link, f"{backend.namespace}:"
    (member,) = link.call("ZRANGE", f"{prefix}line:c:tenant acme", 0, -1)
    link.call("DEL", f"{prefix}waiting:c:tenant acme", f"{prefix}lines", f"{prefix}line:c:tenant acme")
    link.call("ZADD", f"{prefix}waiting:c:tenant acme", 0, member)
    link.call("HSET", f"{prefix}waits", "b", b"c:tenant acme|0|a|q\n")
    assert backend.messages.remove("q", "b")
    assert backend.messages.remove("q", "a")
    assert left_keys(backend) == []


def _lose_the_entry(link: Callable[..., object], prefix: str) -> None:
    link("DEL", f"{prefix}waiting:c:tenant acme")


def _lose_the_hash(link: Callable[..., object], prefix: str) -> None:
    link("DEL", f"{prefix}lines")


def _add_another_entry(link: Callable[..., object], prefix: str) -> None:
    link("ZADD", f"{prefix}waiting:c:tenant acme", -1, f"{7:013}\nc:tenant acme")
    link("ZADD", f"{prefix}waiting:c:tenant acme", -1, f"{8:013}\nc:tenant of nobody")


@pytest.mark.parametrize("damage", [_lose_the_entry, _lose_the_hash, _add_another_entry])
def test_what_another_program_has_left_of_a_line_is_put_right(
    backend: RedisBackend, worker: Actor, damage: Callable[[Callable[..., object], str], None]
) -> None:
    """Once a message joins the line, or its limit has room, all of its messages are let in, in their order."""
    submit(backend, "a", "b", "c", limits=(ACME,))
    held = worker.claim()
    damage(backend._link.call, f"{backend.namespace}:")
    submit(backend, "d", limits=(ACME,))
    assert drain(worker, *held) == ["b", "c", "d"]
    assert left_keys(backend) == []


def test_a_free_place_costs_the_same_however_many_wait(
    lone_redis: redis.Redis,
) -> None:
    """The commands for a free place of a shared limit do not grow with the messages of a full tenant in front."""
    spent = []
    for many in (2, 2_000):
        backend = RedisBackend(lone_redis, namespace=f"n{many}")
        worker = an_actor(backend)
        submit(backend, "a", limits=(SHARED, ACME))
        submit(backend, "b", limits=(SHARED, INITECH))
        held = worker.claim()
        submit(backend, *(f"m{n}" for n in range(many)), limits=(SHARED, ACME))
        submit(backend, "behind", limits=(SHARED, INITECH))
        before = sum(calls_of(lone_redis).values())
        assert [claim.uuid for claim in worker.step(succeeded(held[1])).claimed] == ["behind"]
        spent.append(sum(calls_of(lone_redis).values()) - before)
        assert state_of(backend, "m0") == "waiting"
        backend.close()
    assert spent[1] <= spent[0]


def test_many_lines_are_counted_piece_by_piece(lone_redis: redis.Redis) -> None:
    """So that the server is not kept busy by someone who looks; of several limits as of one."""
    backend = RedisBackend(lone_redis, namespace="many")
    other = Limit("other", 1)
    for limit, lines in ((SHARED, 2_300), (other, 1_000)):
        submit(backend, *(f"{limit.key}{n}" for n in range(limit.amount)), limits=(limit,))
        submissions = [
            Submission(f"{limit.key} {n}", "q", b"", limits=(limit, Limit(f"order {n}", 1)))
            for n in range(lines)
        ]
        backend.messages.add(
            [*submissions, *(each._replace(uuid=f"{each.uuid}x") for each in submissions)], "r"
        )
    wanted = {"c:shared": 4_600, "c:other": 2_000}
    assert {limit.id: limit.waiting for limit in backend.messages.limits(list(wanted))} == wanted
    scripts = calls_of(lone_redis)["evalsha"]
    assert {limit.id: limit.waiting for limit in backend.messages.limits() if limit.waiting} == wanted
    assert calls_of(lone_redis)["evalsha"] - scripts == 4
    backend.close()
