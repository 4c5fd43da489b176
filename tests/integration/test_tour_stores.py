"""The tour's chapters on backends, serializers, messages and brokers: one test a section, on SQLite and on Redis."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from redis import Redis

from alsek import Broker, Message
from alsek.exceptions import MessageAlreadyExistsError, MessageDoesNotExistsError, SerializationError
from alsek.storage.backends import LazyClient
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.serialization import JsonSerializer, Serializer
from tests.integration.conftest import Project

ADD = """
@task(broker, result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b
"""


def like(project: Project, backend: Backend, **options: Any) -> Backend:
    """Another backend on the project's store."""
    if project.kind == "redis":
        return RedisBackend(backend.connection_url, **options)  # type: ignore[attr-defined]
    return SQLiteBackend(project.folder / "alsek.db", **options)


@pytest.fixture
def backend(project: Project, request: pytest.FixtureRequest) -> Any:
    """The project's store, with the url that leads to it."""
    made = project.write("").backend
    if project.kind == "redis":
        made.connection_url = request.getfixturevalue("redis_url")
    return made


def test_tour_backends(backend: Backend) -> None:
    """A backend keeps values by name, with an expiry, and counts the messages of a queue."""
    assert backend.set("a", {"x": 1})
    assert backend.get("a") == {"x": 1}
    assert not backend.set("a", 2, nx=True)
    assert backend.exists("a")
    assert list(backend.scan("a*")) == ["a"]
    assert backend.delete("a")
    with pytest.raises(KeyError):
        backend.delete("a")
    Broker(backend).submit(Message("t", queue="math_ops"))
    assert backend.count("queues:math_ops") == 1


@pytest.mark.parametrize("decoded", [False, True])
def test_tour_backends_redis(redis_url: str, decoded: bool) -> None:
    """A url and a ready client lead to the same store, whether the client decodes what it reads or not."""
    by_url = RedisBackend(redis_url, namespace=f"tour{decoded}")
    by_client = RedisBackend(Redis.from_url(redis_url, decode_responses=decoded), namespace=f"tour{decoded}")
    try:
        Broker(by_client).submit(Message("t", queue="q"))
        assert by_url.count("queues:q") == by_client.count("queues:q") == 1
        assert by_url.same_store(by_client)
    finally:
        by_url.clear_namespace()


def test_tour_backends_lazy_initialization(redis_url: str) -> None:
    """The client is made by the first operation, once, and not before."""
    made = []

    def connect() -> Any:
        made.append(1)
        return Redis.from_url(redis_url)

    backend = RedisBackend(LazyClient(connect), namespace="tour_lazy")
    broker = Broker(backend)
    assert made == []
    assert backend.count("queues:math_ops") == 0
    assert not broker.exists(Message("t"))
    assert made == [1]


def test_tour_backends_lazy_initialization_of_a_file(project: Project) -> None:
    """No backend touches its store before the first operation: no file is made, no server is needed."""
    backend = (
        RedisBackend("redis://127.0.0.1:1")
        if project.kind == "redis"
        else SQLiteBackend(project.folder / "lazy.db")
    )
    Broker(backend)
    assert not (project.folder / "lazy.db").exists()


def test_tour_backends_namespaces(project: Project, backend: Backend) -> None:
    """Two namespaces on one store see nothing of each other, and clearing one leaves the other."""
    other = like(project, backend, namespace="elsewhere")
    message = Message("t", queue="q", uuid="one")
    try:
        Broker(backend).submit(message)
        backend.set("name", 1)
        assert not Broker(other).exists(message)
        assert (other.count("queues:q"), other.get("name"), list(other.scan())) == (0, None, [])
        Broker(other).submit(message)  # the same uuid is free here
        backend.clear_namespace()
        assert Broker(other).exists(message)
    finally:
        other.clear_namespace()


class MessagePack(Serializer):
    """One that pickles nothing."""

    def forward(self, obj: Any) -> bytes:
        return msgspec.msgpack.encode(obj)

    def reverse(self, obj: bytes) -> Any:
        return msgspec.msgpack.decode(obj)


def test_tour_serializers(project: Project, backend: Backend) -> None:
    """JSON by default; another one is used for all that is stored, and refuses in `generate()` what it can't take."""
    assert isinstance(backend.serializer, JsonSerializer)
    packed = like(project, backend, namespace="packed", serializer=MessagePack())
    try:
        broker = Broker(packed)
        message = Message("t", kwargs={"blob": b"\x00\xff"})
        broker.submit(message)
        assert broker.sync_from_backend(message).kwargs == {"blob": b"\x00\xff"}
        stored = packed.messages.get(message.queue, message.uuid)
        assert stored is not None
        assert msgspec.msgpack.decode(stored.payload)["kwargs"] == {"blob": b"\x00\xff"}
        with pytest.raises(SerializationError, match=r"kwargs\['blob'\]"):
            Broker(backend).submit(Message("t", kwargs={"blob": memoryview}))
    finally:
        packed.clear_namespace()


def test_tour_messages(project: Project) -> None:
    """What is submitted is what is read back, field by field."""
    tasks = project.write(ADD)
    message = tasks.add.generate(args=(1, 2), metadata={"k": [1]}, priority=3, result_ttl=5_000, delay=10_000)
    assert tasks.broker.sync_from_backend(message).data == message.data


def test_tour_messages_properties(project: Project) -> None:
    """The properties that the tour shows, on a message that has just been submitted."""
    tasks = project.write(ADD)
    message = tasks.add.generate(args=(1, 1))
    assert message.summary == f"Message(uuid={message.uuid!r}, queue='alsek_queue', task='add')"
    assert (message.ttr, message.ready, message.descendant_uuids) == (0, True, None)
    assert message.ready_at == message.created_at
    assert Message(**message.data) == message
    assert "mechanism='process'" in repr(message)
    later = tasks.add.generate(args=(1, 1), delay=60_000)
    assert not later.ready
    assert later.ready_at == later.created_at + 60_000


def test_tour_brokers(project: Project) -> None:
    """exists, submit, retry, remove, fail and ack do what their lines in the tour say."""
    broker = project.write("").broker
    message = Message("t")
    with pytest.raises(MessageDoesNotExistsError):
        broker.retry(message)
    broker.submit(message)
    with pytest.raises(MessageAlreadyExistsError):
        broker.submit(message)
    assert broker.exists(message)
    broker.retry(message)
    assert broker.sync_from_backend(message).retries == message.retries == 1
    assert message.ready_at == message.updated_at + 60_000
    broker.fail(message)
    assert broker.in_dlq(message)
    assert not broker.exists(message)
    for leave in (broker.remove, broker.ack):
        another = Message("t")
        broker.submit(another)
        leave(another)
        assert not broker.exists(another)
        assert not broker.in_dlq(another)
    without = Broker(broker.backend, dlq_ttl=None)
    dropped = Message("t")
    without.submit(dropped)
    without.fail(dropped)
    assert not without.in_dlq(dropped)
