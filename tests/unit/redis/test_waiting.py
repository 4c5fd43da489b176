"""Waiters and subscriptions on a real connection."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import pytest

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Submission, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.wakeup.waiter import SocketWaiter

pytestmark = pytest.mark.redis


def wakes(waiter: Waiter, seconds: float = 5.0) -> bool:
    """Whether it is woken for good."""
    waiter.arm()
    readable, _, _ = select.select([waiter.fileno()], [], [], seconds)
    return bool(readable) and waiter.drain()


def test_half_a_reply_does_not_block(backend: RedisBackend, new_worker: Callable[..., Worker]) -> None:
    """A reply that arrives in pieces is put together, and nobody waits for the rest."""
    waiter = backend.messages.waiter(new_worker())
    assert isinstance(waiter, SocketWaiter)
    for heard, worth_it in [
        (b"*2\r\n$1\r\na", False),
        (b"*2\r\n$1\r\na\r\n$1\r\n1\r\n", True),
        (b"*-1\r\n", False),
    ]:
        waiter.arm()
        waiter._received = heard
        assert waiter.drain() is worth_it
    waiter.close()


def test_a_lost_connection_is_worth_a_claim(
    redis_server: Any, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """A restart of the server wakes the worker, and it can wait again at once."""
    server = redis_server()
    backend = RedisBackend(server.url)
    waiter = backend.messages.waiter(new_worker(queues=("q",)))
    waiter.arm()
    server.stop()
    assert wakes(waiter)
    server.start()
    assert not wakes(waiter, 0.02)
    backend.messages.add([submission("a")], "r")
    assert wakes(waiter)
    waiter.close()


def test_a_token_is_not_lost_with_its_waiter(
    backend: RedisBackend, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """Who closes after it was woken, without having looked, leaves the token to another."""
    first = backend.messages.waiter(new_worker(queues=("q",)))
    assert not wakes(first, 0.02)
    backend.messages.add([submission("a")], "r")
    select.select([first.fileno()], [], [], 60)
    first.close()
    second = backend.messages.waiter(new_worker(queues=("q",)))
    assert wakes(second)
    second.close()


def test_a_queue_named_as_a_wildcard_is_just_a_queue(
    backend: RedisBackend, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """The lists of all queues can't be mistaken for those of any queue."""
    waiter = backend.messages.waiter(new_worker(queues=("*",)))
    backend.messages.add([submission("a")], "r1")
    assert not wakes(waiter, 0.02)
    backend.messages.add([submission("b", "*")], "r2")
    assert wakes(waiter)
    waiter.close()


def test_a_subscription_outlives_a_restart(redis_server: Any) -> None:
    """None says that something may have been missed, and what is published after it is received."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=10_000)
    with backend.subscribe("a", "b") as subscription:
        server.stop()
        server.start()
        assert subscription.wait(60_000) is None
        backend.pub("b", 1)
        note = subscription.wait(60_000)
        assert note is not None
        assert note == ("b", b"1")


def test_who_may_not_wait_is_not_sent_round_in_circles(
    backend: RedisBackend, new_worker: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    """A foreign key in the place of a token list is reported once, and the server is asked again after a second."""
    worker = new_worker(queues=("q",))
    key = f"{backend.namespace}:wake:thread:q"
    backend._link.call("SET", key, "foreign")
    waiter = backend.messages.waiter(worker)
    assert isinstance(waiter, SocketWaiter)
    assert wakes(waiter)
    assert waiter.interval == 1_000
    assert not wakes(waiter, 0.05)
    assert waiter._refused_at is not None
    waiter._refused_at -= 2
    assert wakes(waiter)
    assert "does not let workers wait" in caplog.text
    assert len(caplog.records) == 1
    backend._link.call("DEL", key)
    waiter._refused_at -= 2
    backend._link.call("RPUSH", key, "1")
    assert wakes(waiter)
    assert waiter.interval == 5_000
    waiter.close()
