"""What may be given as connection, and what errors and logs say of it."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.sentinel import Sentinel

from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError
from alsek.storage.backends.abstract import LazyClient
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.standard import RedisBackend as FromItsModule

SECRET = "s3cr3t"


def test_both_import_paths_give_one_class() -> None:
    """The package and the module have the same class."""
    assert RedisBackend is FromItsModule


@pytest.mark.parametrize("connection", ["<connection_url>", "localhost:6379", "", f"http://u:{SECRET}@h"])
def test_a_text_that_is_no_url_is_refused(connection: str) -> None:
    """The error says what a url looks like, and repeats nothing that could be a password."""
    with pytest.raises(ValidationError, match="redis://host:port/db") as caught:
        RedisBackend(connection)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("connection", [42, object(), b"redis://localhost"])
def test_anything_else_is_refused(connection: Any) -> None:
    """The error for something that is neither a url nor a client names its type."""
    with pytest.raises(ValidationError, match=type(connection).__name__):
        RedisBackend(connection)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (f"redis://u:{SECRET}@h/abc", "database must be a number"),
        (f"redis://u:{SECRET}@h/1/2", "database must be a number"),
        (f"redis://u:{SECRET}@h?db=-1", "database must be a number"),
        (f"redis://u:{SECRET}@h:99999", "port"),
        (f"redis://u:{SECRET}@h:0", "port"),
        (f"redis://u:{SECRET}@[::1", "can't be read"),
        (f"redis://:{SECRET}/with-a-slash@h:1", "percent-encoded"),
        (f"redis://:{SECRET}", "can't be read"),
        (f"redis://u:{SECRET} @h", "white space"),
        (f"redis://u:{SECRET}@h?pasword={SECRET}", "'pasword' is unknown"),
        (f"rediss://u:{SECRET}@h?ssl_cert_reqs={SECRET}", "option"),
        (f"redis://u:{SECRET}@h?socket_timeout={SECRET}", "'socket_timeout'"),
        ("redis://h?protocol=9", "option"),
        ("unix://", "names no socket"),
        (f"redis+sentinel://u:{SECRET}@h:1,h:2", "name of the service"),
        (f"redis+sentinel://u:{SECRET}@h:1,h:2/shop/x", "database must be a number"),
        (f"redis+sentinel://u:{SECRET}@h:1,h:x/shop", "can't be read"),
        (f"redis+sentinel://u:{SECRET}@h:1,/shop", "can't be read"),
        (f"redis+sentinel://u:{SECRET}@h/shop?socket_timeout={SECRET}", "can't be read"),
        (f"redis+sentinel://u:{SECRET}@h/shop?pasword={SECRET}", "option"),
        (f"redis+cluster://u:{SECRET}@h:1/1", "only the database 0"),
        (f"redis+cluster://u:{SECRET}@h:1 ,h:2", "white space"),
        (f"rediss+cluster://u:{SECRET}@h:0", "can't be read"),
    ],
)
def test_a_url_with_a_fault_is_refused(url: str, fault: str) -> None:
    """When the backend is made, with what is wrong, what may be given, and no secret, also not in its causes."""
    with pytest.raises(ValidationError, match=fault) as caught:
        RedisBackend(url)
    assert "redis://host:port/db" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/0/",
        "redis:///3",
        "redis://[::1]:7000/0",
        "rediss://h?ssl_cert_reqs=none",
        "unix:///tmp/x.sock?db=1",
        "redis://u:p%40ss@h?health_check_interval=3&client_name=me&protocol=3&db=2",
    ],
)
def test_a_right_url_is_taken(url: str) -> None:
    """With options of redis-py's, too."""
    assert RedisBackend(url).describe()


_CLIENT = redis.Redis()
_SENTINEL = Sentinel([("localhost", 1)])


@pytest.mark.parametrize(
    ("made", "remedy"),
    [
        (redis.asyncio.Redis(), "asynchronous methods"),
        (redis.asyncio.RedisCluster(host="h"), "asynchronous methods"),
        (_CLIENT.pipeline(), "client that it was made by"),
        (_CLIENT.pubsub(), "PubSub"),
        (_CLIENT.connection_pool, r"connection_pool="),
        (redis.Redis, "the class Redis"),
        (_SENTINEL, r"sentinel\.master_for"),
        (_SENTINEL.slave_for("service"), r"sentinel\.master_for"),
    ],
)
def test_what_is_no_client_is_refused(made: Any, remedy: str) -> None:
    """Both given as it is, when the backend is made, and made by a `LazyClient`, at the first operation."""
    with pytest.raises(ValidationError, match=remedy):
        RedisBackend(made)
    lazy = RedisBackend(LazyClient(lambda: made))
    with pytest.raises(ValidationError, match=remedy):
        lazy.ping()


@pytest.mark.parametrize("made", [None, LazyClient(redis.Redis)])
def test_a_lazy_client_must_make_one(made: Any) -> None:
    """A function that forgot to return does not lead to a server that nobody named."""
    with pytest.raises(ValidationError, match="must return a client or a url"):
        RedisBackend(LazyClient(lambda: made)).ping()


@pytest.mark.parametrize("made", [redis.StrictRedis(), _SENTINEL.master_for("service")])
def test_synchronous_clients_are_taken(made: Any) -> None:
    """Of redis-py, and of a sentinel's service."""
    assert RedisBackend(made).describe()


def test_a_fakeredis_client_is_taken_if_it_is_synchronous() -> None:
    """Those of fakeredis, as the client that they stand for."""
    import fakeredis

    assert RedisBackend(fakeredis.FakeRedis()).describe()
    with pytest.raises(ValidationError, match="synchronous"):
        RedisBackend(fakeredis.FakeAsyncRedis())


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        (None, ("tcp", "localhost", 6379, 0)),
        (f"redis://me:{SECRET}@host:7000/3", ("tcp", "host", 7000, 3)),
        (f"rediss://:{SECRET}@host/1", ("tcp", "host", 6379, 1)),
        (f"unix://:{SECRET}@/tmp/x.sock?db=2", ("unix", "/tmp/x.sock", 2)),
    ],
)
def test_a_url_is_named_without_its_password(url: str | None, identity: tuple[Any, ...]) -> None:
    """Identity, description and repr say where the server is, and no secret; nothing is connected for it."""
    backend = RedisBackend(url, namespace="ns")
    assert SECRET not in repr(backend)
    assert backend.identity == ("redis", identity, "ns")
    assert str(identity[1]) in backend.describe()
    for shown in (repr(backend), backend.describe(), str(backend.identity), str(vars(backend))):
        assert SECRET not in shown


def test_an_unreachable_server_is_told_without_password(caplog: pytest.LogCaptureFixture) -> None:
    """Errors and logs of an outage name the server, and how long was tried, but no password."""
    backend = RedisBackend(f"redis://me:{SECRET}@127.0.0.1:1/0", timeout=150)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(BackendUnavailableError, match=r"127\.0\.0\.1:1") as caught,
    ):
        backend.ping()
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    assert SECRET not in str(caught.value) + caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.redis
def test_wrong_credentials_are_told_at_once(redis_server: Any) -> None:
    """A refused login is no outage: the error says what to check."""
    server = redis_server()
    RedisBackend(server.url)._link.call("CONFIG", "SET", "requirepass", SECRET)
    url = server.url.replace("redis://", "redis://:wrong@")
    with pytest.raises(BackendError, match="credentials") as caught:
        RedisBackend(url).ping()
    assert not isinstance(caught.value, BackendUnavailableError)
    with pytest.raises(BackendError, match="credentials"):
        RedisBackend(server.url).messages.queues()
    RedisBackend(server.url.replace("redis://", f"redis://:{SECRET}@")).ping()


def test_a_lazy_client_is_made_at_the_first_operation() -> None:
    """Neither constructing nor printing resolves it, and it is made once."""
    made = []

    def make() -> redis.Redis:
        made.append(1)
        return redis.Redis(host="host", port=7000, db=3)

    backend = RedisBackend(LazyClient(make), namespace="ns")
    assert repr(backend)
    assert not made
    assert backend.identity == RedisBackend("redis://host:7000/3", namespace="ns").identity
    assert backend.describe()
    assert made == [1]


@pytest.mark.redis
@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}, {"protocol": 2}])
def test_ready_clients_of_any_kind_are_served(redis_url: str, options: dict[str, Any]) -> None:
    """Bytes come back as they went, whatever the client makes of replies."""
    client = redis.Redis.from_url(redis_url, **options)
    backend = RedisBackend(client, namespace="ready-client")
    backend.results.put("u", b"\xff\x00|", ttl=1_000)
    record = backend.results.get(["u"])[0]
    assert record is not None
    assert record.payload == b"\xff\x00|"
    assert backend.count("queues:none") == 0
    backend.clear_namespace()
    client.close()


@pytest.mark.parametrize("timeout", [0, -1, True, 1.5, float("inf"), float("nan"), "5", None])
def test_a_timeout_is_milliseconds(timeout: Any) -> None:
    """A backend with another one is refused, and nothing is sent."""
    with pytest.raises(ValidationError, match="timeout="):
        RedisBackend("redis://127.0.0.1:1/0", timeout=timeout)


def test_a_url_of_sentinels_names_their_service() -> None:
    """User, password, database and TLS are those of the service; the sentinels have their own password."""
    url = f"rediss+sentinel://u:{SECRET}@a:1,b/shop/3?sentinel_password=other&health_check_interval=7"
    backend = RedisBackend(url, namespace="n")
    client: Any = backend._link.client
    options = client.connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("u", SECRET, 3)
    assert options["health_check_interval"] == 7
    manager = client.connection_pool.sentinel_manager
    asked = [each.connection_pool.connection_kwargs for each in manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("a", 1), ("b", 26379)]
    assert {each.get("username") for each in asked} == {None}
    assert {each["password"] for each in asked} == {"other"}
    assert issubclass(client.connection_pool.connection_class, redis.SSLConnection)
    assert backend.describe() == "Redis service shop by sentinel at a:1, b:26379 (namespace 'n')"


def test_a_cluster_that_does_not_answer_is_unavailable() -> None:
    """Its url is enough to describe the backend; a call names the nodes that were tried."""
    backend = RedisBackend(f"redis+cluster://u:{SECRET}@127.0.0.1:1", timeout=500)
    assert backend.describe() == "Redis cluster at 127.0.0.1:1 (namespace 'alsek')"
    with pytest.raises(BackendUnavailableError, match=r"127\.0\.0\.1:1 can't be reached") as caught:
        backend.ping()
    assert SECRET not in str(caught.value)
