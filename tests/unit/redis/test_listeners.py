"""Connections that have listened are kept for the next who listens, and never tell it what was meant for another."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.wakeup import subscription as subscription_module
from alsek.storage.backends.redis.wakeup.listeners import MOST_KEPT
from alsek.storage.backends.redis.wakeup.subscription import SocketSubscription
from alsek.storage.backends.subscriptions import Note, Subscription
from alsek.storage.result import ResultStore
from tests.conftest import RedisServer
from tests.unit.core.fakes import Elsewhere

pytestmark = pytest.mark.redis


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or the server does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.001)


def received(backend: RedisBackend) -> int:
    """How many connections the server has ever been asked for."""
    text: bytes = backend._link.call("INFO", "stats")
    return int(text.split(b"total_connections_received:")[1].split(b"\r\n")[0])


def calls(backend: RedisBackend, *names: str) -> dict[str, int]:
    """How often the server has carried out these commands."""
    lines = backend._link.call("INFO", "commandstats").decode().splitlines()
    stats = dict(line.split(":", 1) for line in lines if ":" in line)
    texts = {name: stats.get(f"cmdstat_{name}", "calls=0,") for name in names}
    return {name: int(text.removeprefix("calls=").split(",")[0]) for name, text in texts.items()}


def listeners(backend: RedisBackend, channel: str) -> int:
    """How many are subscribed to the channel."""
    return int(backend._link.call("PUBSUB", "NUMSUB", f"{backend.namespace}:{channel}")[1])


def numbers(backend: RedisBackend) -> list[str]:
    """The ids of all connections but the one that asks."""
    own = str(backend._link.call("CLIENT", "ID"))
    lines = backend._link.call("CLIENT", "LIST").decode().splitlines()
    return [id_ for line in lines if (id_ := line.split()[0].removeprefix("id=")) != own]


def cut(backend: RedisBackend) -> None:
    """End all connections but the one that asks."""
    for number in numbers(backend):
        backend._link.call("CLIENT", "KILL", "ID", number)


@pytest.fixture
def alone(redis_server: Any) -> RedisBackend:
    """A backend on a server that nobody else uses."""
    return RedisBackend(redis_server().url, timeout=5_000)


def test_many_waits_need_one_connection(alone: RedisBackend) -> None:
    """However many results, statuses and notes are waited for in turn, the server sees no new connection."""
    results, statuses = ResultStore(alone), StatusTracker(alone)

    def wait_for_all() -> None:
        message = Message("t")
        waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
        until(lambda: listeners(alone, f"results:{message.uuid}") == 1)
        results.set(message, 5)
        assert waiting.value() == 5
        statuses.set(message, TaskStatus.SUCCEEDED)
        assert statuses.wait_for(message, timeout=60_000) is TaskStatus.SUCCEEDED
        with alone.subscribe("x") as subscription:
            alone.pub("x", 1)
            assert subscription.wait(60_000) == Note("x", b"1")

    wait_for_all()
    before = received(alone)
    for _ in range(30):
        wait_for_all()
    # The connections of a link are made when they are needed: two threads may have called at once for the first time.
    assert received(alone) - before <= 1
    assert len(alone._listeners) == 1
    assert listeners(alone, "x") == 0


def test_a_result_that_is_waited_for_takes_two_trips(alone: RedisBackend) -> None:
    """One to subscribe and look, one to unsubscribe and delete: the result itself comes with the news."""
    results = ResultStore(alone)
    names = ("subscribe", "mget", "get", "evalsha", "unsubscribe", "del", "exists")

    def wait() -> None:
        message = Message("t")
        message.submitted = True  # else it is asked whether it is a callback that will not come
        waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
        until(lambda: listeners(alone, f"results:{message.uuid}") == 1)
        results.set(message, 5)
        assert waiting.value() == 5
        assert not results.exists(message)

    wait()
    before = calls(alone, *names)
    wait()
    after = calls(alone, *names)
    # One MGET is that of `exists` at the end, the EVALSHA and the GET in it are those of `set`.
    assert {name: after[name] - before[name] for name in names} == {
        "subscribe": 1,
        "mget": 2,
        "get": 1,
        "evalsha": 1,
        "unsubscribe": 1,
        "del": 1,
        "exists": 0,
    }


def test_a_large_result_is_fetched(backend: RedisBackend) -> None:
    """What is too large to travel with the news is read, and deleted, as any other."""
    results, message = ResultStore(backend), Message("t")
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    until(lambda: listeners(backend, f"results:{message.uuid}") == 1)
    results.set(message, "x" * 5_000)
    assert waiting.value() == "x" * 5_000
    assert not results.exists(message)


def test_the_next_receives_nothing_of_the_one_before(backend: RedisBackend) -> None:
    """Notes that nobody has read go with their subscription, also where the next one is to the same channel."""
    before = backend.subscribe("x", "y")
    for number in range(50):
        backend.pub("x", number)
    before.close()
    with backend.subscribe("y", "x") as subscription:
        assert len(backend._listeners) == 0, "this is not the same connection"
        backend.pub("y", "new")
        assert subscription.wait(60_000) == Note("y", b'"new"')
        assert subscription.wait(0) is None


def test_more_than_is_worth_reading(backend: RedisBackend) -> None:
    """If too many values were published to the one before, the next subscription opens a new connection."""
    before = backend.subscribe("x")
    for number in range(300):
        backend.pub("x", number)
    before.close()
    with backend.subscribe("x") as subscription:
        backend.pub("x", "new")
        assert subscription.wait(60_000) == Note("x", b'"new"')


def test_only_so_many_are_kept(alone: RedisBackend) -> None:
    """After many have listened at once, a few connections stay, and the server has let go of the others."""
    subscriptions = [alone.subscribe("x") for _ in range(MOST_KEPT + 5)]
    assert listeners(alone, "x") == MOST_KEPT + 5
    for subscription in subscriptions:
        subscription.close()
        subscription.close()
    assert len(alone._listeners) == MOST_KEPT
    until(lambda: len(numbers(alone)) == MOST_KEPT)
    assert listeners(alone, "x") == 0


def test_nothing_is_kept_for_ever(alone: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has needed for a minute is closed when another comes back, and all of it with the backend."""
    for subscription in [alone.subscribe("x") for _ in range(3)]:
        subscription.close()
    now = time.monotonic()
    monkeypatch.setattr("alsek.storage.backends.redis.wakeup.listeners.time.monotonic", lambda: now + 61)
    alone.subscribe("x").close()
    monkeypatch.undo()
    assert len(alone._listeners) == 1
    until(lambda: len(numbers(alone)) == 1)
    alone.close()
    assert len(alone._listeners) == 0
    until(lambda: numbers(alone) == [])
    alone.subscribe("x").close()
    assert len(alone._listeners) == 1


def test_a_connection_that_died_unused_is_not_noticed(alone: RedisBackend) -> None:
    """A kept connection that was ended meanwhile: a new one is opened, and the other kept ones are closed."""
    for subscription in [alone.subscribe("x") for _ in range(3)]:
        subscription.close()
    cut(alone)
    results, message = ResultStore(alone), Message("t")
    results.set(message, 5)
    assert results.get(message, timeout=60_000) == 5
    assert len(alone._listeners) == 1


def test_a_connection_that_dies_while_one_waits(alone: RedisBackend) -> None:
    """A process that waits connects again and reads again, so that nothing is missed."""
    results, message, other = ResultStore(alone), Message("t"), Message("t")
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    channel = f"results:{message.uuid}"
    until(lambda: listeners(alone, channel) == 1)
    # Written without a note, as if it had been published while the connection was down.
    results.set(other, 5)
    alone._link.call("RENAME", *(alone._ports.keys.result(each.uuid) for each in (other, message)))
    cut(alone)
    assert waiting.value() == 5
    assert not results.exists(message)


def test_a_result_received_is_deleted_though_the_connection_died(alone: RedisBackend) -> None:
    """The deletion is sent again, elsewhere, if the connection of the subscription is broken."""
    alone.results.put("a", b"5")
    watch = alone.watch_result("q", "a")
    cut(alone)
    alone.take_watched(watch.news, "a")
    assert alone.results.get(["a"]) == [None]
    assert len(alone._listeners) == 0


def test_a_server_that_hangs_does_not_hang_who_waits(redis_server: Any) -> None:
    """With a kept connection too the error comes within the timeout, and after that calls succeed again."""
    server = redis_server()
    backend = RedisBackend(server.url, timeout=600)
    backend.subscribe("x").close()
    server.pause()
    with pytest.raises(BackendUnavailableError):
        ResultStore(backend).get(Message("t"), timeout=60_000)
    server.resume()
    with backend.subscribe("x") as subscription:
        backend.pub("x", 1)
        assert subscription.wait(60_000) == Note("x", b"1")


def test_users_without_transactions(alone: RedisBackend, redis_server: Any) -> None:
    """Where the server refuses to read in the trip that subscribes, it takes two, and nothing else changes."""
    rules = ("on", ">secret", "allkeys", "allchannels", "+@all", "-multi", "-exec")
    alone._link.call("ACL", "SETUSER", "limited", *rules)
    host = alone._link.where.removeprefix("Redis at ")
    backend = RedisBackend(f"redis://limited:secret@{host}")
    results, message = ResultStore(backend), Message("t")
    for _ in range(2):
        waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
        until(lambda: listeners(alone, f"results:{message.uuid}") == 1)
        results.set(message, 5)
        assert waiting.value() == 5
    assert not backend._listeners.may_read


@pytest.mark.parametrize("channels", [100, 101])
def test_who_has_listened_to_very_much_leaves_no_connection(backend: RedisBackend, channels: int) -> None:
    """A connection is kept while reading what is left on it takes less time than to connect."""
    names = [f"c{n}" for n in range(channels)]
    backend.subscribe(*names).close()
    assert len(backend._listeners) == (channels <= 100)
    news, record, _ = backend.watch_result("q", "a")
    with news:
        assert record is None
        backend.results.put("a", b"1")
        note = news.wait(60_000)
    assert note is not None
    assert note.channel == "results:a"


@pytest.mark.parametrize("spoil", ["cut short", "closed while another waits"])
def test_what_is_not_certain_is_not_kept(backend: RedisBackend, spoil: str) -> None:
    """A connection on which half a reply may be left, or that another thread still reads from, goes to nobody."""
    subscription = backend.subscribe("x")
    assert isinstance(subscription, SocketSubscription)
    assert subscription._listener is not None
    if spoil == "cut short":
        subscription._listener._settled = False
        subscription.close()
    else:
        waiting = Elsewhere(subscription.wait)
        until(subscription._waiting.locked)
        subscription.close()
        assert waiting.value() is None
    assert len(backend._listeners) == 0


def test_who_waits_on_what_is_closed_is_told(backend: RedisBackend) -> None:
    """There is nothing to wait for any more: an error, at once, whatever has become of the connection."""
    subscription = backend.subscribe("x")
    subscription.close()
    with backend.subscribe("x"), pytest.raises(ConnectionResetError, match="closed"):
        subscription.wait()


def test_threads_wait_at_once(backend: RedisBackend) -> None:
    """Each of many threads gets its own results, over and over, on connections that change hands."""
    results = ResultStore(backend)

    def wait_and_set(thread: int) -> list[Any]:
        got = []
        for turn in range(20):
            message = Message("t")
            setter = threading.Thread(target=results.set, args=(message, [thread, turn]))
            setter.start()
            got.append(results.get(message, timeout=60_000))
            setter.join()
        return got

    waiting = [Elsewhere(lambda n=n: wait_and_set(n)) for n in range(6)]  # type: ignore[misc]
    for n, each in enumerate(waiting):
        assert each.value() == [[n, turn] for turn in range(20)]
    assert 1 <= len(backend._listeners) <= 6


def test_a_child_listens_on_connections_of_its_own(backend: RedisBackend) -> None:
    """After a fork a kept connection, and one that is being listened on, stay the parent's alone."""
    listening = backend.subscribe("x", "parent")
    backend.subscribe("x").close()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"1" if _in_the_child(backend, listening) else b"0")
        os._exit(0)
    assert os.read(reading, 1) == b"1"
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    backend.pub("parent", "p")
    heard = [listening.wait(60_000) for _ in range(2)]
    assert heard == [Note("x", b'"c"'), Note("parent", b'"p"')]
    with backend.subscribe("y") as subscription:
        assert len(backend._listeners) == 0, "this is not the kept one"
        backend.pub("y", 2)
        assert subscription.wait(60_000) == Note("y", b"2")
    listening.close()
    assert len(backend._listeners) == 2


def _in_the_child(backend: RedisBackend, inherited: Subscription) -> bool:
    with backend.subscribe("x") as subscription:
        backend.pub("x", "c")
        good = subscription.wait(60_000) == Note("x", b'"c"')
    good = good and inherited.wait(60_000) is None  # something may have been missed
    inherited.close()
    return good and len(backend._listeners) == 1


def test_a_server_that_says_nothing_is_noticed(
    redis_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not answer a ping is gone, and who waits is told; once it is back, one may subscribe again."""
    monkeypatch.setattr(subscription_module, "_PING_AFTER_S", 0.05)
    server = redis_server()
    backend = RedisBackend(server.url, timeout=400)
    with backend.subscribe("a") as news:
        assert news.wait(300) is None  # it answers its pings
        server.pause()
        with pytest.raises(BackendUnavailableError):
            news.wait(60_000)
        server.resume()
    with backend.subscribe("a") as again:
        backend.publish("a", b"1")
        assert again.wait(60_000) == Note("a", b"1")
    backend.close()
