"""Servers that go away, come back, forget, hang or run out of memory."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import redis

from alsek import Broker, Message
from alsek.core.backoff import LinearBackoff
from alsek.core.consumer import Consumer
from alsek.core.worker.thread_executor.async_exceptions import clear_pending
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.records import ACCEPTED, Added, Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, load

pytestmark = pytest.mark.redis


def test_a_server_that_forgot_its_scripts_is_told_them_again(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """After SCRIPT FLUSH the same call works."""
    assert backend.messages.add([submission("a")], "r1") == [ACCEPTED]
    backend._link.call("SCRIPT", "FLUSH")
    assert backend.messages.add([submission("b")], "r2") == [ACCEPTED]


def test_a_connection_with_short_timeouts_is_not_kept(backend: RedisBackend) -> None:
    """One made when little time was left would give up too early in later calls."""
    link: Any = backend._link
    usual = link.timeout / 2_000
    for left, kept in ((usual / 2, 0), (usual, 1)):
        link._idle.clear()
        assert link._ask_fresh(encode((b"PING",)), left, True) == b"PONG"
        assert len(link._idle) == kept


def test_a_restart_is_not_noticed(
    redis_server: Any, submission: Callable[..., Submission], caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that died while it idled is replaced without a word."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=2_000)
    backend.messages.add([submission("a")], "r1")
    backend.set("n", 1, nx=True)
    server.stop()
    server.start()
    with caplog.at_level(logging.WARNING):
        assert backend.messages.add([submission("a")], "r1") == [ACCEPTED]
        server.stop()
        server.start()
        assert backend.set("n", 2, nx=True)
    assert not caplog.records


def test_an_outage_is_outlived_and_logged_once(
    redis_server: Any, submission: Callable[..., Submission], caplog: pytest.LogCaptureFixture
) -> None:
    """A call that meets an outage is answered when the server is back; the log has its begin and its end."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=15_000)
    backend.ping()
    server.stop()
    answers: list[list[Added]] = []
    callers = [
        threading.Thread(
            target=lambda n=n: answers.append(backend.messages.add([submission(f"u{n}")], f"r{n}"))
        )
        for n in range(3)
    ]
    with caplog.at_level(logging.WARNING):
        for caller in callers:
            caller.start()
        while not caplog.records:
            time.sleep(0.005)
        server.start()
        for caller in callers:
            caller.join()
    assert answers == [[ACCEPTED]] * 3
    assert [("back" in record.getMessage()) for record in caplog.records] == [False, True]


def test_a_server_that_hangs_does_not_hang_its_callers(redis_server: Any) -> None:
    """Without an answer the error comes within the timeout."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=600)
    backend.ping()
    server.pause()
    with pytest.raises(BackendUnavailableError, match="not known whether"):
        backend.set("x", 1, nx=True)
    with pytest.raises(BackendUnavailableError):
        backend.messages.queues()
    server.resume()
    backend.ping()


@pytest.mark.parametrize("flags", [True, False])
def test_work_can_be_finished_without_memory(
    redis_server: Any, new_worker: Callable[..., Worker], submission: Callable[..., Submission], flags: bool
) -> None:
    """At maxmemory no message is taken in, with an error that says so; outcomes are, on servers of any age."""
    server = redis_server(**{"maxmemory-policy": "noeviction"})
    backend = RedisBackend(server.url)
    if not flags:
        backend._link.knows_flags = False
    worker = new_worker()
    backend.messages.register(worker)
    backend.messages.add([submission("a"), submission("b")], "r")
    claimed = backend.messages.step(worker, 1, [], {worker.kind: 2}).claimed
    backend._link.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(BackendError, match="maxmemory"):
        backend.messages.add([submission("c")], "r2")
    assert not backend.messages.exists("q", "c")
    step = backend.messages.step(
        worker, 2, [Succeeded("a", "q", claimed[0].token, b"result")], {worker.kind: 2}
    )
    assert step.refused == []
    assert backend.messages.renew(worker, 2, [claimed[1].token]) == []
    assert backend.messages.retire(worker) == []
    assert backend.messages.queues() == ["q"]
    assert backend.results.get(["a"])[0] is not None


def test_a_server_that_knows_no_flags(
    backend: RedisBackend, submission: Callable[..., Submission], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server before 7.0, which can't read the first line, gets the script without it."""
    sent: list[bytes] = []
    send = backend._link.send

    def old_server(arguments: Any, packed: bytes | None, repeat: bool = True) -> Any:
        if arguments and arguments[0] == b"EVAL":
            sent.append(arguments[1])
            if arguments[1].startswith(b"#!"):
                error = redis.ResponseError(
                    "Error compiling script: user_script:1: unexpected symbol near '#'"
                )
                raise BackendError("no flags") from error
        return send(arguments, packed, repeat)

    monkeypatch.setattr(backend._link, "send", old_server)
    backend._link.call("SCRIPT", "FLUSH")
    assert backend.messages.remove("q", "a") is False
    source = load("remove", SERVER_CLOCK)
    assert sent == [source.flagged, source.plain]
    assert backend._link.knows_flags is False
    assert backend.messages.remove("q", "a") is False
    assert len(sent) == 2


def test_a_child_has_connections_of_its_own(backend: RedisBackend) -> None:
    """After a fork parent and child call the server at the same time, and each receives only its own answers."""
    backend.set("parent", 1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        ok = all(backend.set("child", n) and backend.get("child") == n for n in range(50))
        os.write(writing, b"1" if ok else b"0")
        os._exit(0)
    assert all(backend.set("parent", n) and backend.get("parent") == n for n in range(50))
    assert os.read(reading, 1) == b"1"
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def test_a_consumer_outlives_an_outage(redis_server: Any) -> None:
    """A consumer that slept when the server went away yields what is submitted when it is back."""
    server = redis_server()
    broker = Broker(RedisBackend(server.url, timeout=300))
    heard: list[str] = []
    slept, away = threading.Event(), threading.Event()

    class Pauses(LinearBackoff):
        def get(self, incidents: int) -> int:
            slept.set()
            if incidents == 4:  # looks that found nothing, and no server
                away.set()
            return 200

    with Consumer(broker, backoff=Pauses()) as consumer:

        def consume() -> None:
            for message in consumer.stream():
                heard.append(message.uuid)
                broker.ack(message)
                return

        thread = threading.Thread(target=consume)
        thread.start()
        assert slept.wait(60)
        server.stop()
        assert away.wait(60)
        server.start()
        broker.submit(Message("task", uuid="a"))
        thread.join(60)
        assert heard == ["a"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_moment_in_which_a_child_has_its_parents_connections(backend: RedisBackend) -> None:
    """At whatever line the first thread of a child is interrupted, no other thread finds a connection of the parent."""
    backend.ping()
    link = backend._link
    parents = list(link._idle)
    assert parents

    def at_each_line(frame: FrameType, *_: object) -> Any:
        if link._pid == os.getpid() and any(one in parents for one in link._idle):
            os._exit(1)
        return at_each_line

    child = os.fork()
    if child == 0:
        clear_pending()  # other tests may have left some: see there
        sys.settrace(at_each_line)
        backend.ping()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_connections_are_shared_by_turns(backend: RedisBackend) -> None:
    """Threads that call one after another need one connection; after close the next call opens a new one."""
    for _ in range(5):
        caller = threading.Thread(target=backend.ping)
        caller.start()
        caller.join()
    assert len(backend._link._idle) == 1
    backend.close()
    assert len(backend._link._idle) == 0
    backend.ping()


def test_a_clients_other_faults_are_ours(backend: RedisBackend) -> None:
    """An error that the server answers is a BackendError, from the client's own, and the connection goes on."""
    backend._link.call("SET", f"{backend.namespace}:queues", "foreign")
    with pytest.raises(BackendError, match="WRONGTYPE") as caught:
        backend.messages.queues()
    assert isinstance(caught.value.__cause__, redis.ResponseError)
    assert len(backend._link._idle) == 1
    backend.ping()


def test_a_replica_is_told_as_an_outage(redis_server: Any) -> None:
    """What can't be written there may be written in a moment, when it is the primary: nothing counts as accepted."""
    primary = redis_server()
    replica = redis_server(replicaof=f"127.0.0.1 {primary.port}")
    backend = RedisBackend(replica.url, timeout=300)
    message = Submission("u", "q", b"p")
    with pytest.raises(BackendUnavailableError):
        backend.messages.add([message, message._replace(uuid="v")], "r")
    with pytest.raises(BackendUnavailableError):
        backend.messages.register(Worker("w", "thread", None, 15_000, 0))
    backend._link.timeout = 20_000
    replica.kill()
    replica.options.pop("replicaof")
    replica.start()
    assert backend.messages.add([message], "r") == [ACCEPTED]
    backend.close()


def test_a_subscription_outlasts_an_outage_longer_than_its_timeout(redis_server: Any) -> None:
    """A wait says that the server is away; the next one subscribes again, and hears what is published from then on."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=300)
    with backend.subscribe("c") as subscription:
        server.stop()
        for _ in range(2):
            with pytest.raises(BackendUnavailableError):
                subscription.wait(60_000)
        server.start()

        assert subscription.wait(60_000) is None  # something may have been missed
        backend.pub("c", 1)

        note = subscription.wait(60_000)
    assert note is not None
    assert note.data == b"1"
