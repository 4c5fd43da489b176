"""What the inspector shows of bytes that it can't read, and of values that no JSON knows."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

import pytest

from alsek.core.broker import Broker
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.inspector import Inspector
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.plain import as_dict, to_json
from alsek.core.message import Message
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import FOR_EVER, TaskStatus
from alsek.storage.serialization import JsonSerializer, Serializer
from tests.clock import Clock
from tests.contract.workers import DLQ_TTL, ERROR, a_message, add, an_actor, retried


class Reversed(Serializer):
    """JSON, written backwards."""

    def forward(self, obj: Any) -> bytes:
        return JsonSerializer().forward(obj)[::-1]

    def reverse(self, obj: bytes) -> Any:
        return JsonSerializer().reverse(obj[::-1])


@pytest.fixture
def inspector(backend: MemoryBackend) -> Inspector:
    """What looks."""
    return Inspector(backend)


def _find(inspector: Inspector, uuid: str = "a") -> MessageInfo:
    info = inspector.find(uuid)
    assert isinstance(info, MessageInfo)
    return info


def test_another_serializer(backend: MemoryBackend, inspector: Inspector) -> None:
    """All that the store knows is shown, and why the rest is not."""
    message = Message("t", queue="q", uuid="a", priority=3)
    add(backend, a_message("a", payload=message.pack(Reversed()), priority=3))
    backend.statuses.put("a", TaskStatus.RUNNING, b"not json")
    backend.results.put("a", b"not json either")
    info = _find(inspector)
    assert (info.state, info.queue, info.priority, info.place) == ("ready", "q", 3, 0)
    assert (info.task, info.args, info.kwargs, info.details, info.result) == (None, None, None, None, None)
    assert (info.status, info.has_result) == ("RUNNING", True)
    assert info.unreadable is not None
    assert "message 'a' in queue 'q' can't be read by JsonSerializer()" in info.unreadable
    assert "the details of its status can't be read by JsonSerializer()" in info.unreadable
    assert "its result can't be read by JsonSerializer()" in info.unreadable
    answer = inspector.why("a")
    assert (answer.code, answer.facts["task"]) == ("no_worker", None)
    assert answer.text.startswith("Message a in queue 'q' is ready, but no live worker serves its queue")


def test_a_dead_letter_of_another_serializer(backend: MemoryBackend, inspector: Inspector) -> None:
    """It is listed and grouped too."""
    add(backend, "a")
    backend.messages.fail("q", "a", ERROR, DLQ_TTL)
    backend.statuses.put("a", TaskStatus.FAILED, b"\xff")
    info = inspector.find("a")
    assert isinstance(info, DeadInfo)
    assert (info.task, info.args, info.exception) == (None, None, "builtins.ValueError")
    assert info.unreadable is not None
    assert "; the details of its status can't be read" in info.unreadable
    (group,) = inspector.dead(group=True)
    assert (group.task, group.count, group.sample.uuid) == (None, 1, "a")
    assert inspector.dead(task="t") == []
    assert inspector.why("a").code == "dead"


@pytest.mark.parametrize("error", [b"", b"\xff", b"[]", b'{"name": 7}', b'{"name": "E", "text": null}'])
def test_an_error_that_is_none(backend: MemoryBackend, inspector: Inspector, error: bytes) -> None:
    """Another program may have written it."""
    add(backend, "a")
    backend.messages.fail("q", "a", error, DLQ_TTL)
    (info,) = inspector.dead()
    assert info.exception in ("unknown", "E")
    assert inspector.why("a").code == "dead"


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"task_name": 7, "args": 3, "kwargs": [], "created_at": "x", "delay": null}',
        b'{"task_name": "t", "args": [1], "new_field_of_a_later_version": 1}',
        b'{"task_name": "t", "created_at": 1, "callback_message_data": {"uuid": 7}}',
        b'{"task_name": "t", "created_at": 1, "callback_message_data": {"task_name": "u"}, "callback_blocks": ["?"]}',
    ],
)
def test_payloads_that_are_no_message(backend: MemoryBackend, inspector: Inspector, payload: bytes) -> None:
    """Nothing raises; what can be had is shown."""
    add(backend, a_message("a", payload=payload), a_message("d", payload=payload))
    backend.messages.fail("q", "d", ERROR, DLQ_TTL)
    info = _find(inspector)
    assert info.unreadable
    assert info.task in (None, "t")
    assert inspector.why("a").code == "no_worker"
    assert len(inspector.dead()) == len(inspector.dead(group=True)) == 1
    assert inspector.queues()[0].ready == 1
    json.loads(to_json(info))


def test_times_that_are_none(broker: Broker, inspector: Inspector) -> None:
    """A producer may write any number as the time at which a message was made."""
    for uuid, created_at in (("a", 10**30), ("b", -(10**30))):
        broker.submit(Message("t", queue=uuid, uuid=uuid, created_at=created_at))
    assert [queue.oldest_ready_age == 0 for queue in inspector.queues()] == [True, False]
    assert _find(inspector).created_at == 10**30
    assert inspector.why("b").code == "no_worker"


@pytest.mark.parametrize(
    "fields",
    [
        {"kwargs": {"created_at": 5}},
        {"kwargs": {"delay": 5, "retries": 7}},
        {"args": ['"created_at":5', {"a": '{"delay":5,"created_at":7}'}]},
        {"previous_result": {"created_at": 5, "delay": 6}},
        {"delay": 1},
        {"callback_message_data": Message("u", created_at=5, delay=7).data},
    ],
)
def test_the_age_of_what_has_the_same_names_in_it(
    broker: Broker, inspector: Inspector, clock: Clock, fields: dict[str, Any]
) -> None:
    """Only the message's own time counts, and its delay."""
    broker.submit(Message("t", uuid="a", created_at=clock.now - 5_000, **fields))
    for ms in (1, 0):
        clock.advance(ms)
        an_actor(broker.backend, "none").step(limit=0)  # what is due is ready with a worker's step
    (queue,) = inspector.queues()
    assert queue.oldest_ready_age == 5_001 - fields.get("delay", 0)


def test_a_backoff_of_the_users_own(backend: MemoryBackend, inspector: Inspector) -> None:
    """Its class may not be defined here: then the last retry's time counts."""
    wire = {
        "task_name": "t",
        "created_at": 5,
        "updated_at": 9,
        "retries": 1,
        "backoff_settings": {"algorithm": "Mine", "parameters": {}},
    }
    add(backend, a_message("a", payload=json.dumps(wire).encode()))
    assert _find(inspector).ready_at == 9


def test_the_age_of_a_retried_message_of_another_serializer(
    backend: MemoryBackend, inspector: Inspector, clock: Clock
) -> None:
    """The store knows when it was retried, and the delay that was asked for."""
    worker = an_actor(backend)
    add(backend, "a")
    claim = worker.claim_one()
    worker.step(retried(claim, updated_at=clock.now - 9_000, retry_delay=2_000), limit=0)
    assert inspector.queues()[0].oldest_ready_age == 7_000
    assert _find(inspector).ready_at == clock.now - 7_000


def test_a_long_chain(broker: Broker, inspector: Inspector) -> None:
    """The first sixteen callbacks are shown, however many there are."""
    message = Message("t", uuid="a")
    for number in range(100):
        message.append_callback(Message("t", uuid=f"c{number}"))
    broker.submit(message)
    info = _find(inspector)
    assert [callback.uuid for callback in info.callbacks] == [f"c{number}" for number in range(16)]
    assert info.more_callbacks


class _Unrepresentable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class _Colour(Enum):
    RED = 1


class _Point(NamedTuple):
    x: int
    y: Any


def test_values_that_json_does_not_know() -> None:
    """They become text; numbers that JSON has no word for as well."""
    loop: list[Any] = []
    loop.append(loop)
    values: dict[Any, Any] = {
        "nan": math.nan,
        "huge": 10**5_000,
        "bytes": b"\xff a",
        "when": datetime(2027, 1, 1, tzinfo=UTC),
        "price": Decimal("9.90"),
        "set": {1},
        "colour": _Colour.RED,
        "point": _Point(1, (2, 3)),
        "odd": _Unrepresentable(),
        "half": "\ud800",
        7: "number",
        "loop": loop,
    }
    info = MessageInfo("a", "ready", kwargs=values, args=(TaskStatus.FAILED,), previous_result=FOR_EVER)
    shown = json.loads(to_json(info))
    assert shown == as_dict(info)
    kwargs = shown["kwargs"]
    assert (kwargs["nan"], kwargs["bytes"], kwargs["set"], kwargs["colour"]) == ("nan", "\\xff a", [1], "RED")
    assert (kwargs["point"], kwargs["7"], kwargs["price"]) == (
        {"x": 1, "y": [2, 3]},
        "number",
        "9.90",
    )
    assert kwargs["when"] == "2027-01-01T00:00:00+00:00"
    assert "integer of" in kwargs["huge"]
    assert "_Unrepresentable" in kwargs["odd"]
    assert shown["args"] == ["FAILED"]
    with pytest.raises(TypeError, match="no info"):
        as_dict([])
