"""Pushes on the connection of a waiter, on a real server."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Pushed, Submission, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.lua_values import MAX_PUSHED_RECORD
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.wakeup.push_receiver import PushReceiver
from alsek.storage.backends.redis.wakeup.waiter import SocketWaiter
from tests.waiting import eventually, rings

pytestmark = pytest.mark.redis


@pytest.fixture
def waiter(backend: RedisBackend, sleeper: Worker) -> Iterator[SocketWaiter]:
    """The waiter of the sleeper."""
    with closing(backend.messages.waiter(sleeper)) as made:
        assert isinstance(made, SocketWaiter)
        made.arm()
        yield made


@pytest.fixture
def sleeper(backend: RedisBackend, new_worker: Callable[..., Worker]) -> Worker:
    """A worker that takes from all queues."""
    worker = new_worker()
    backend.messages.register(worker)
    return worker


def _arrived(waiter: Waiter, many: int = 1) -> list[Pushed]:
    """So many pushes, once they have arrived."""
    found: list[Pushed] = []
    while len(found) < many:
        readable, _, _ = select.select([waiter.fileno()], [], [], 60)
        assert readable
        assert not waiter.drain()
        found += waiter.take_pushed()
    return found


def _let_sleep(backend: RedisBackend, worker: Worker, seq: int = 1) -> None:
    assert backend.messages.step(worker, seq, [], {"thread": 4}, sleeps=True).sleeper


def test_a_push_arrives_while_the_waiter_blocks(
    backend: RedisBackend, sleeper: Worker, waiter: SocketWaiter, submission: Callable[..., Submission]
) -> None:
    """No command is sent again for it, and a token after it still wakes."""
    _let_sleep(backend, sleeper)
    backend.messages.add([submission("a")], "r1")
    (push,) = _arrived(waiter)
    assert (push.seq, push.claimed) == (2, backend.messages.held(sleeper)[0])
    assert waiter._armed_at is not None
    backend.messages.add([submission("b"), submission("c")], "r2")
    assert rings(waiter)


def test_a_push_that_comes_in_pieces_is_put_together(
    backend: RedisBackend, sleeper: Worker, waiter: SocketWaiter, submission: Callable[..., Submission]
) -> None:
    """One whose record is as long as is allowed arrives whole; a longer one is not pushed."""
    _let_sleep(backend, sleeper)
    longest = submission("a")._replace(payload=b"x" * (MAX_PUSHED_RECORD - 200))
    backend.messages.add([longest], "r1")
    assert _arrived(waiter)[0].claimed.payload == longest.payload
    backend.messages.add([longest._replace(uuid="b", payload=b"x" * MAX_PUSHED_RECORD)], "r2")
    assert rings(waiter)
    assert waiter.take_pushed() == []


def test_a_lost_connection_receives_again_when_it_is_armed(
    backend: RedisBackend, sleeper: Worker, waiter: SocketWaiter, submission: Callable[..., Submission]
) -> None:
    """A waiter whose connection the server has closed receives nothing, says so, and subscribes on the next one."""
    assert waiter._socket is not None
    host, port = waiter._socket.getsockname()
    backend._link.call("CLIENT", "KILL", "ADDR", f"{host}:{port}")
    assert rings(waiter)
    assert not waiter.receives
    waiter.arm()
    assert waiter.receives
    _let_sleep(backend, sleeper)
    backend.messages.add([submission("a")], "r1")
    assert len(_arrived(waiter)) == 1


def test_what_was_pushed_into_a_lost_connection_is_in_the_next_answer(
    backend: RedisBackend, sleeper: Worker, waiter: SocketWaiter, submission: Callable[..., Submission]
) -> None:
    """A worker that did not get a push gets the message by its step."""
    _let_sleep(backend, sleeper)
    backend.messages.add([submission("a")], "r1")
    waiter._drop()
    answer = backend.messages.step(sleeper, 2, [], {"thread": 4}, received=0)
    assert [claimed.uuid for claimed in answer.claimed] == ["a"]


@pytest.mark.parametrize("denied", ["-subscribe", "resetchannels"])
def test_who_may_not_subscribe_is_woken_as_before(
    denied: str, redis_server: Callable[..., Any], submission: Callable[..., Submission]
) -> None:
    """Without the rights for pushes a waiter receives none, and is woken by tokens."""
    server = redis_server()
    admin = redis.Redis.from_url(server.url)
    admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", "&*", "+@all", denied)
    backend = RedisBackend(server.url.replace("redis://", "redis://app:pw@"))
    worker = Worker("w", "thread", None, 60_000, 60_000)
    backend.messages.register(worker)
    with closing(backend.messages.waiter(worker)) as waiter:
        waiter.arm()
        assert not waiter.receives
        backend.messages.add([submission("a")], "r")
        assert rings(waiter)
    backend.close()
    admin.close()


def test_a_producer_that_may_not_publish_submits_as_before(
    redis_server: Callable[..., Any], submission: Callable[..., Submission]
) -> None:
    """If the message can't be sent to the sleeper it is ready, and a token wakes the sleeper."""
    server = redis_server()
    admin = redis.Redis.from_url(server.url)
    admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", "resetchannels", "+@all")
    backend = RedisBackend(server.url)
    producer = RedisBackend(server.url.replace("redis://", "redis://app:pw@"))
    worker = Worker("w", "thread", None, 60_000, 60_000)
    backend.messages.register(worker)
    with closing(backend.messages.waiter(worker)) as waiter:
        waiter.arm()
        _let_sleep(backend, worker)
        assert producer.messages.add([submission("a")], "r")[0].accepted
        assert rings(waiter)
        assert backend.messages.held(worker) == []
        answer = backend.messages.step(worker, 2, [], {"thread": 4}, received=0)
        assert [claimed.uuid for claimed in answer.claimed] == ["a"]
    for each in (backend, producer, admin):
        each.close()


def test_what_somebody_else_publishes_is_no_message(
    backend: RedisBackend, sleeper: Worker, waiter: SocketWaiter, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported and ignored, and the waiter goes on."""
    backend.pub(f"pushes:{sleeper.id}", 1)
    eventually(lambda: waiter.drain() or "is no message" in caplog.text)
    assert waiter.take_pushed() == []
    assert waiter.receives


def test_of_a_worker_that_is_gone_nothing_is_left(
    backend: RedisBackend, new_worker: Callable[..., Worker], waiter: SocketWaiter, sleeper: Worker
) -> None:
    """Neither its note nor its places among the sleepers outlast it, or its registering again."""
    link, prefix = backend._link, backend.namespace
    named = new_worker(queues=("q", "r"))
    backend.messages.register(named)
    for worker, end in ((sleeper, backend.messages.retire), (named, backend.messages.register)):
        _let_sleep(backend, worker)
        end(worker)
        assert link.call("KEYS", f"{prefix}:sleep*") == []


def test_whom_0_1_0_has_taken_over_is_pushed_nothing(
    backend: RedisBackend,
    new_worker: Callable[..., Worker],
    waiter: SocketWaiter,
    sleeper: Worker,
    submission: Callable[..., Submission],
) -> None:
    """Version 0.1.0 leaves the notes of sleepers that it forgets: what these were pushed, nobody would give back."""
    link, prefix = backend._link, backend.namespace
    _let_sleep(backend, sleeper)
    link.call("DEL", f"{prefix}:claims:{sleeper.id}")
    link.call("ZREM", f"{prefix}:workers", sleeper.id)
    link.call("HDEL", f"{prefix}:leases", sleeper.id)
    backend.messages.add([submission("a")], "r")
    assert link.call("KEYS", f"{prefix}:sleep*") == []
    other = new_worker()
    backend.messages.register(other)
    answer = backend.messages.step(other, 1, [], {"thread": 4})
    assert [claimed.uuid for claimed in answer.claimed] == ["a"]


def test_what_is_published_while_a_waiter_subscribes_is_kept() -> None:
    """A push in the same bytes as the answer to SUBSCRIBE is taken, and the sleep that begins then ends at once."""
    mine, servers = socket.socketpair()
    link: Any = SimpleNamespace(
        timeout=2_000, connect=lambda *_: SimpleNamespace(_sock=mine, disconnect=mine.close)
    )
    waiter = SocketWaiter(
        link, ["list"], lambda: None, PushReceiver("channel", lambda data: cast(Pushed, data))
    )
    with closing(servers), closing(waiter):
        servers.sendall(b"%1\r\n+proto\r\n:3\r\n")
        servers.sendall(b">3\r\n$9\r\nsubscribe\r\n$7\r\nchannel\r\n:1\r\n")
        servers.sendall(b">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$5\r\nfir")
        waiter.arm()
        assert servers.recv(65_536).endswith(encode(["BLPOP", "list", "0.001"]))
        servers.sendall(b"st\r\n*-1\r\n")
        assert not waiter.drain()
        assert cast(list[bytes], waiter.take_pushed()) == [b"first"]
        waiter.arm()
        assert servers.recv(65_536) == encode(["BLPOP", "list", 5])
