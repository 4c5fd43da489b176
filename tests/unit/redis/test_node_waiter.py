"""Workers that sleep by subscription, in two partitions of one server, which stands for a node of a cluster."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Submission, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners
from alsek.storage.backends.redis.wakeup.node_waiter import NodeWaiter, Place
from alsek.storage.backends.redis.wakeup.telling import Telling
from tests.conftest import redis_version

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(redis_version() < (7,), reason="sharded publications are Redis 7's"),
]

_PARTITIONS = 2


class Node:
    """A server with two partitions of a namespace."""

    def __init__(self, url: str, admin_url: str, namespace: str | None = None) -> None:
        self.link = Link(url, 5_000)
        self.namespace = namespace or f"t{uuid4().hex[:12]}"
        self.admin = redis.Redis.from_url(admin_url)
        self.parts = [self.part(number) for number in range(_PARTITIONS)]
        self._waiters: list[NodeWaiter] = []

    def part(self, number: int, tells: bool = True) -> PortSet:
        """A partition; as an earlier version has it that tells nobody, if it is so said."""
        keys = Keys(self.namespace, partition=number)
        return PortSet(self.link, keys, SERVER_CLOCK, IdleListeners(self.link), tells)

    def waiter(
        self, worker: Worker, slot: SlotKind | None = None, telling: Telling | None = None
    ) -> NodeWaiter:
        """A waiter for both partitions, armed, and heard of."""
        made = NodeWaiter(None, telling or Telling())
        for number, part in enumerate(self.parts):
            made.add(number, Place(self.link, part.messages.subscribe_commands(worker, slot)))
        self._waiters.append(made)
        settle(made)
        return made

    def named(self, pattern: str) -> set[str]:
        """The names of keys, without the namespace."""
        prefix = f"{{{self.namespace}%p"
        return {name.decode().removeprefix(prefix) for name in self.admin.keys(f"{prefix}{pattern}")}

    def close(self) -> None:
        """Close everything, and leave nothing behind."""
        for waiter in self._waiters:
            waiter.close()
        self.link.close()
        for name in self.admin.keys(f"{{{self.namespace}*"):
            self.admin.delete(name)
        self.admin.close()


@pytest.fixture
def node(redis_url: str) -> Iterator[Node]:
    """On the session's server."""
    made = Node(redis_url, redis_url)
    yield made
    made.close()


def settle(waiter: NodeWaiter) -> None:
    """Arm it, and read until all that it has asked is answered."""
    deadline = time.monotonic() + 60
    while True:
        waiter.arm()
        if not waiter._asked:
            return
        assert time.monotonic() < deadline
        descriptor = waiter.fileno()
        if descriptor is not None:
            select.select([descriptor], [], [], 60)
        waiter.drain()


def woken(waiter: NodeWaiter, seconds: float = 60.0) -> set[int]:
    """The partitions for which it was woken: waits for the first."""
    deadline = time.monotonic() + seconds
    while not (found := waiter.take_woken()) and (left := deadline - time.monotonic()) > 0:
        select.select([waiter.fileno()], [], [], left)
        waiter.drain()
    return found


def test_one_worker_is_told_in_place_of_a_token(
    node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """The one that has slept longest; for the next message the other one; for a third one a token is left."""
    first = node.waiter(new_worker())
    time.sleep(0.002)  # who is first is known to a millisecond
    second = node.waiter(new_worker())
    node.parts[1].messages.add([submission("a")], "a")
    assert woken(first) == {1}
    assert woken(second, 0.05) == set()
    assert node.named("*}:wakes:thread") == set()
    node.parts[1].messages.add([submission("b", "r")], "b")
    assert woken(second) == {1}
    node.parts[1].messages.add([submission("c", "s")], "c")
    assert woken(first, 0.05) == woken(second, 0.05) == set()
    assert node.named("*}:wakes:thread") == {"1}:wakes:thread"}
    settle(first)
    assert woken(first) == {1}
    assert node.named("*}:wakes:thread") == set()
    node.parts[0].messages.add([submission("d")], "d")
    assert woken(first) == {0}


@pytest.mark.parametrize("how", ["ends", "says nothing"])
def test_a_sleeper_that_is_gone_is_passed_over(
    how: str, node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """Whether its connection has ended, or it has said nothing for long: the next one is told."""
    gone, there = new_worker(), new_worker()
    waiter = node.waiter(gone)
    time.sleep(0.002)
    other = node.waiter(there)
    if how == "ends":
        waiter.close()
        deadline = time.monotonic() + 60
        channel = node.parts[0].keys.told(gone.id)
        while dict(node.admin.pubsub_shardnumsub(channel))[channel.encode()]:
            assert time.monotonic() < deadline
    else:
        for number in range(_PARTITIONS):
            node.admin.delete(f"{{{node.namespace}%p{number}}}:hears:{gone.id}")
    node.parts[0].messages.add([submission("a")], "a")
    assert woken(other) == {0}
    assert node.admin.zrange(f"{{{node.namespace}%p0}}:hearers:wakes:thread", 0, -1) == []
    if how == "says nothing":
        assert woken(waiter, 0.05) == set()


def test_a_worker_that_waits_in_the_other_way_is_woken_too(
    node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """One message wakes one of both, the second message the other one."""
    told = node.waiter(new_worker())
    popping = node.parts[0].messages.waiter(new_worker())
    popping.arm()
    node.parts[0].messages.add([submission("a")], "a")
    assert woken(told) == {0}
    assert not select.select([popping.fileno()], [], [], 0.05)[0]
    node.parts[0].messages.add([submission("b", "r")], "b")
    assert select.select([popping.fileno()], [], [], 60)[0]
    assert popping.drain()
    assert woken(told, 0.05) == set()
    popping.close()


def test_all_that_is_noted_of_sleepers_expires(
    node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """Within seconds, or two minutes; those who are long dead leave the sets when another one says that it hears."""
    node.waiter(new_worker())
    noted = node.named("*}:hear*")
    assert noted >= {"0}:hearers:wakes:thread", "1}:hearers:wakes:thread"}
    for name in noted:
        assert (
            0 < node.admin.pttl(f"{{{node.namespace}%p{name}") <= (10_000 if ":hears:" in name else 120_000)
        )
    node.admin.zadd(f"{{{node.namespace}%p0}}:hearers:wakes:thread", {"dead": 1})
    worker = new_worker()
    node.waiter(worker)
    assert b"dead" not in node.admin.zrange(f"{{{node.namespace}%p0}}:hearers:wakes:thread", 0, -1)


def test_each_kind_of_slots_is_told_of_its_own(
    node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """Two waiters of one worker have two channels in a partition."""
    worker = new_worker(kind="thread-async")
    threads, coroutines = node.waiter(worker, "thread"), node.waiter(worker, "coroutine")
    node.parts[0].messages.add([submission("a", wish="thread-async")], "a")
    assert woken(coroutines) == {0}
    assert woken(threads, 0.05) == set()
    node.parts[0].messages.add([submission("b")], "b")
    assert woken(threads) == {0}


def test_a_lost_connection_wakes_twice(
    node: Node, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """At once, and when the new subscriptions are there: what was told in between is lost."""
    waiter = node.waiter(new_worker())
    (mine,) = (
        each for each in node.admin.client_list() if each["ssub"] == str(_PARTITIONS) and _is_of(waiter, each)
    )
    node.admin.client_kill_filter(_id=mine["id"])
    assert woken(waiter) == {0, 1}
    settle(waiter)
    assert waiter.take_woken() == {0, 1}
    settle(waiter)
    assert woken(waiter, 0.05) == set()
    node.parts[1].messages.add([submission("a")], "a")
    assert woken(waiter) == {1}


def _is_of(waiter: NodeWaiter, client: dict[str, Any]) -> bool:
    return bool(client["addr"].endswith(f":{waiter._socket.getsockname()[1]}"))  # type: ignore[union-attr]


def test_a_node_that_hangs_is_noticed(
    redis_server: Any, new_worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not answered for some seconds is asked again, on a new connection."""
    server = redis_server()
    node = Node(server.url, server.url)
    waiter = node.waiter(new_worker())
    begun = waiter._connection
    module = "alsek.storage.backends.redis.wakeup.node_waiter."
    monkeypatch.setattr(f"{module}_RENEWED_AFTER_MS", 0)
    monkeypatch.setattr(f"{module}_OVERDUE_MS", 50)
    server.pause()
    waiter.arm()
    assert waiter.interval == 5_000
    time.sleep(0.06)
    waiter.arm()  # the kernel takes the connection, and the greeting is not answered
    assert waiter._connection is None
    assert waiter.take_woken() == {0, 1}
    assert waiter.interval == 1_000
    assert not waiter.listens_to(0)
    server.resume()
    monkeypatch.undo()
    monkeypatch.setattr(f"{module}_OVERDUE_MS", 60_000)
    monkeypatch.setattr(waiter, "_not_before", 0)
    settle(waiter)
    assert waiter._connection not in (None, begun)
    assert waiter.listens_to(0)
    node.close()


def test_who_submits_and_tells_nobody_is_found_out(
    node: Node,
    new_worker: Callable[..., Worker],
    submission: Callable[..., Submission],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An earlier version leaves a token: the sleeper finds it when it renews, and is to wait in the other way."""
    telling = Telling()
    waiter = node.waiter(new_worker(), telling=telling)
    node.part(0, tells=False).messages.add([submission("a")], "a")
    assert woken(waiter, 0.05) == set()
    assert telling.works
    monkeypatch.setattr("alsek.storage.backends.redis.wakeup.node_waiter._RENEWED_AFTER_MS", 0)
    with caplog.at_level(logging.WARNING):
        waiter.arm()
        assert woken(waiter) == {0}
    assert not telling.works
    (record,) = caplog.records
    assert "+spublish, or an earlier version" in record.getMessage()


@pytest.fixture
def limited(redis_server: Any) -> Iterator[Callable[..., Node]]:
    """A server of which a user has all rights but some."""
    server = redis_server()
    opened: list[Node] = []

    def make(*rules: str) -> Node:
        with redis.Redis.from_url(server.url) as admin:
            admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", "&*", "+@all", *rules)
        url = server.url.replace("redis://", "redis://app:pw@")
        opened.append(Node(url, server.url, opened[0].namespace if opened else None))
        return opened[-1]

    yield make
    for node in opened:
        node.close()


@pytest.mark.parametrize(("denied", "said"), [("-ssubscribe", "NOPERM"), ("", "NOPROTO")])
def test_a_user_who_may_not_subscribe(
    denied: str,
    said: str,
    limited: Callable[..., Node],
    new_worker: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That is said once, with what is lacking, and so is that there is something between that speaks no RESP3."""
    if said == "NOPROTO":
        monkeypatch.setattr("alsek.storage.backends.redis.wakeup.node_waiter._HELLO", encode(("HELLO", 9)))
    telling = Telling()
    node = limited(*denied.split())
    with caplog.at_level(logging.INFO):
        node.waiter(new_worker(), telling=telling)
        node.waiter(new_worker(), telling=telling)
    assert not telling.works
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert said in record.getMessage()


def test_a_producer_who_may_not_publish(
    limited: Callable[..., Node],
    new_worker: Callable[..., Worker],
    submission: Callable[..., Submission],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message is submitted; it leaves a token, which the sleeper finds when it renews."""
    telling = Telling()
    waiter = limited().waiter(new_worker(), telling=telling)
    limited("-spublish").parts[0].messages.add([submission("a")], "a")
    assert woken(waiter, 0.05) == set()
    monkeypatch.setattr("alsek.storage.backends.redis.wakeup.node_waiter._RENEWED_AFTER_MS", 0)
    waiter.arm()
    assert woken(waiter) == {0}
    assert not telling.works


def test_before_redis_7_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """That is no fault: it is said once, and not as a warning."""
    telling = Telling()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            telling.refuse("the server", "unknown command `SSUBSCRIBE`, with args beginning with: ...")
    assert not telling.works
    (record,) = caplog.records
    assert record.levelname == "INFO"


def test_it_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes later users may have their rights, and the old producers be gone."""
    module = "alsek.storage.backends.redis.wakeup.telling.monotonic_ms"
    telling = Telling()
    monkeypatch.setattr(module, lambda: 1_000)
    telling.miss("the server")
    monkeypatch.setattr(module, lambda: 600_000)
    assert not telling.works
    monkeypatch.setattr(module, lambda: 602_000)
    assert telling.works


def test_plain_partitions_tell_nobody(redis_url: str) -> None:
    """On one server a waiter waits on the lists of all partitions at once, so nothing of this is in its scripts."""
    backend = RedisBackend(redis_url, namespace=f"t{uuid4().hex[:12]}", partitions=2)
    assert not any(part._tells for part in backend._ports.parts.unchecked)  # type: ignore[union-attr]
    backend.close()
