"""Exceptions set in a thread from outside, in the middle of its use of the store."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
import redis
from redis import exceptions as redis_errors
from redis._parsers import _RESP2Parser
from redis.backoff import NoBackoff
from redis.retry import Retry

from alsek.exceptions import MessageRevokedError, SerializationError, TaskTimeoutError
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.errors import is_transient
from alsek.storage.backends.redis.client.interruptions import interruption_behind
from tests.clusters import ClusterOfServers

pytestmark = [pytest.mark.redis, pytest.mark.usefixtures("no_collector")]


class _Alarm(TimeoutError):
    """What a program of the user's may raise in a signal handler."""


class _Strike:
    """An exception at the n-th moment at which the interpreter may raise it: a call begins, or C returns."""

    def __init__(self, moment: int, error: type[BaseException]) -> None:
        self._left = moment
        self._error = error
        self.struck = False
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """What :func:`sys.setprofile` calls."""
        if event in ("call", "c_return") and not self.struck and not _out_of_reach(frame):
            self._left -= 1
            if not self._left:
                self.struck = True
                sys.setprofile(None)
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {event} {argument}"
                raise self._error("now")


def _out_of_reach(frame: FrameType | None) -> bool:
    """Whether this is no place of interest: a destructor lets nothing out, and redis-py's version is long to find."""
    while frame is not None:
        if frame.f_code.co_name in {"__del__", "get_lib_version"}:
            return True
        frame = frame.f_back
    return False


def _listen(backend: RedisBackend) -> None:
    with backend.subscribe("c") as subscription:
        subscription.wait(0)


def _watch(backend: RedisBackend) -> None:
    watch = backend.watch_result("q", "u")
    watch.news.wait(1)
    backend.take_watched(watch.news, "u")


def _lock(backend: RedisBackend) -> None:
    backend.locks.acquire("l", "me", 60_000)
    backend.locks.release("l", "me")


USES: dict[str, Callable[[RedisBackend], object]] = {
    "write": lambda backend: backend.set("key", 1),
    "write once": lambda backend: backend.set("other", 1, nx=True),
    "read": lambda backend: backend.get("key"),
    "add": lambda backend: backend.messages.add([Submission("u", "q", b"p")], "r"),
    "listen": _listen,
    "wait for a result": _watch,
    "lock": _lock,
    "publish": lambda backend: backend.pub("c", 1),
}


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the server that the backend uses."""
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def _strike(strike: _Strike, use: Callable[[], object]) -> BaseException | None:
    """Use it while the strike lies in wait; what came out."""
    before = sys.getprofile()
    sys.setprofile(strike)
    try:
        use()
    except BaseException as error:  # noqa: BLE001 - checked below
        return error
    finally:
        sys.setprofile(before)
    return None


def _cases() -> Iterator[Any]:
    for name in USES:
        for error in (TaskTimeoutError, MessageRevokedError, _Alarm, KeyboardInterrupt):
            yield pytest.param(name, error, "", id=f"{name}, {error.__name__}")
        yield pytest.param(name, TaskTimeoutError, "slow parser", id=f"{name}, without hiredis")
    for name in ("read", "listen"):
        yield pytest.param(name, TaskTimeoutError, "fresh", id=f"{name}, connecting")
    for name in ("read", "add", "wait for a result"):
        yield pytest.param(name, TaskTimeoutError, "cluster", id=f"{name}, on a cluster")


@pytest.mark.parametrize(("name", "error", "how"), list(_cases()))
def test_an_interruption_comes_out_as_itself_at_whatever_moment(
    name: str,
    error: type[BaseException],
    how: str,
    backend: RedisBackend,
    redis_url: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is not taken for an outage, nothing is repeated, no lock stays, and the next use finds everything in order."""
    if how == "slow parser":
        client = redis.Redis.from_url(redis_url, parser_class=_RESP2Parser)
        backend = RedisBackend(client, namespace=backend.namespace)
    if how == "cluster":
        servers: ClusterOfServers = request.getfixturevalue("redis_cluster")
        backend = RedisBackend(servers.client(), namespace=backend.namespace)
    use = USES[name]
    backend.set("key", 1)
    use(backend)
    link = backend._link
    moment, swallowed = 0, []
    with caplog.at_level(logging.DEBUG, "alsek"):
        while True:
            moment += 5 if how == "fresh" else 1  # to connect has many moments, and takes its time
            if how == "fresh":
                backend.close()
            strike = _Strike(moment, error)
            came = _strike(strike, lambda: use(backend))
            if not strike.struck:
                break
            # What a user's own signal handler raises inside a serializer can't be distinguished from what that raises.
            in_serializer = error is _Alarm and isinstance(came, SerializationError)
            if type(came) is not error and not in_serializer:
                swallowed.append((moment, came, strike.where))
            assert not link._lock.locked(), moment
            assert link.outage_since is None, moment
            assert backend.get("key") == 1, moment
            with backend.subscribe("c") as subscription:
                backend.pub("c", moment)
                note = subscription.wait(60_000)
                assert note is not None, moment
                assert note.data == b"%d" % moment, moment
    assert moment > 10
    assert caplog.text == ""
    assert swallowed == []
    assert len(link._idle) <= 2
    assert len(backend._listeners) <= 2


def test_nothing_is_repeated(redis_server: Any) -> None:
    """However a call is interrupted, the server is sent it at most once."""
    server = redis_server()
    backend, client = RedisBackend(server.url), redis.Redis.from_url(server.url)
    backend.set("n", 0)

    def sent() -> int:
        stats = client.info("commandstats").get("cmdstat_incr", {"calls": 0})
        return int(stats["calls"])

    moment = 0
    while True:
        moment += 1
        backend.get("n")
        before = sent()
        strike = _Strike(moment, TaskTimeoutError)
        _strike(strike, lambda: backend._link.call("INCR", "n"))
        assert sent() <= before + 1, moment
        if not strike.struck:
            break
    assert moment > 10
    backend.close()
    client.close()


def test_what_the_caller_handles_is_no_interruption(backend: RedisBackend) -> None:
    """A task that tidies up after its timeout meets a real outage: the error says so, and is not the timeout again."""
    try:
        raise TaskTimeoutError("before")
    except TaskTimeoutError:
        with pytest.raises(redis_errors.ConnectionError) as caught:
            redis.Redis(port=1, retry=Retry(NoBackoff(), 0)).ping()
        assert interruption_behind(caught.value) is None
        assert is_transient(caught.value)
        assert caught.value.__context__ is not None
        assert backend.get("none") is None
