"""A serializer that pickles nothing: MessagePack, by msgspec."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from alsek import Broker, Consumer, ResultStore, StatusTracker, TaskStatus, task
from alsek.exceptions import SerializationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.serialization import Serializer


class MessagePack(Serializer):
    """Bytes and dates stay what they are; nothing that is read is executed."""

    def forward(self, obj: Any) -> bytes:
        return msgspec.msgpack.encode(obj)

    def reverse(self, obj: bytes) -> Any:
        return msgspec.msgpack.decode(obj)


NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def test_messages_results_statuses_and_values_pass_it() -> None:
    """Each kind of thing that is stored is stored as MessagePack, and comes back as it was."""
    backend = MemoryBackend(serializer=MessagePack())
    broker, results, tracker = Broker(backend), ResultStore(backend), StatusTracker(backend)

    @task(broker, result_store=results, status_tracker=tracker)
    def stamp(document: bytes, at: datetime) -> list[Any]:
        return [document, at]

    message = stamp.generate(
        args=(b"\xff",), kwargs={"at": NOON}, callback=stamp.generate(args=(b"", NOON), submit=False)
    )
    stored = backend.messages.get(message.queue, message.uuid)
    assert stored is not None
    assert msgspec.msgpack.decode(stored.payload)["args"] == [b"\xff"]
    with Consumer(broker) as consumer:
        stream = consumer.stream()
        received = next(stream)
        assert received == message
        results.set(received, stamp.op(received))
        tracker.set(received, TaskStatus.RUNNING, details={"blob": b"\x00"})
        assert tracker.get_details(message) == {"blob": b"\x00"}
        broker.ack(received)
    found = results.get(message)
    assert found[0] == b"\xff"
    assert msgspec.convert(found[1], datetime) == NOON
    backend.set("name", b"\x01")
    assert backend.get("name") == b"\x01"


def test_what_it_cannot_take_is_refused_by_generate() -> None:
    """The error names task and value, and nothing is submitted."""
    broker = Broker(MemoryBackend(serializer=MessagePack()))

    @task(broker)
    def take(what: object) -> None: ...

    with pytest.raises(SerializationError, match=r"task 'take': args\[0\]"):
        take.generate(args=(object(),))
    assert broker.backend.messages.queues() == []
