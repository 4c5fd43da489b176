"""Keys of Alsek's that another program has overwritten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.storage.backends.records import ACCEPTED, Added, Retried, Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("named", [True, False])
def test_a_queue_that_was_overwritten_holds_up_no_other(
    backend: RedisBackend,
    new_worker: Callable[..., Worker],
    submission: Callable[..., Submission],
    named: bool,
) -> None:
    """Its set is skipped and reported; the other queues are drained, and the worker is not sent round in circles."""
    worker = new_worker(queues=("bad", "good") if named else None)
    backend.messages.register(worker)
    backend.messages.add([submission("a", "bad"), submission("b", "good")], "r")
    backend._link.call("SET", f"{backend.namespace}:ready:a:bad", "foreign")
    step = backend.messages.step(worker, 1, [], {worker.kind: 8})
    assert [claimed.uuid for claimed in step.claimed] == ["b"]
    assert [(corrupt.uuid, corrupt.queue) for corrupt in step.corrupt] == [("", "bad")]
    assert "WRONGTYPE" in step.corrupt[0].reason
    assert not step.waiting
    assert backend.messages.step(worker, 1, [], {worker.kind: 8})[:2] == step[:2]


def test_a_message_for_such_a_queue_is_not_lost(
    backend: RedisBackend, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """It is accepted, and becomes ready once the foreign key is gone and a minute has passed."""
    backend._link.call("SET", f"{backend.namespace}:ready:a:bad", "foreign")
    assert backend.messages.add([submission("a", "bad"), submission("b", "good")], "r") == [
        ACCEPTED,
        ACCEPTED,
    ]
    stored = backend.messages.get("bad", "a")
    assert stored is not None
    assert stored.state == "delayed"
    worker = new_worker()
    backend.messages.register(worker)
    step = backend.messages.step(worker, 1, [], {worker.kind: 8})
    assert [claimed.uuid for claimed in step.claimed] == ["b"]
    assert step.next_due is not None
    assert 0 < step.next_due <= 60_000


def test_a_remembered_uuid_that_can_not_be_read_loses_no_callback(backend: RedisBackend) -> None:
    """A foreign value among the uuids that have finished is ignored, and the step is completed."""
    messages, worker = backend.messages, Worker("w", "thread", ("q",), 60_000, 0)
    messages.register(worker)
    messages.add([Submission("a", "q", b"p")], "r")
    (claimed,) = messages.step(worker, 1, [], {worker.kind: 1}).claimed
    now = int(backend._link.call("TIME")[0])
    for half in range(now // 30 - 2, now // 30 + 2):
        backend._link.call("HSET", f"{backend.namespace}:finished:{half}", "next", "no entry")
    callback = Submission("next", "q", b"p")
    step = messages.step(
        worker, 2, [Succeeded("a", "q", claimed.token, b"1", callback=callback)], {worker.kind: 1}
    )
    assert not step.refused
    assert [each.uuid for each in step.claimed] == ["next"]


def test_a_lease_that_can_not_be_read_stops_no_step(backend: RedisBackend) -> None:
    """A worker whose noted lease is no number is given that of who asks, and the step goes to its end."""
    messages = backend.messages
    workers = [Worker(name, "thread", ("q",), 60_000, 0) for name in ("w1", "w2")]
    for worker in workers:
        messages.register(worker)
    backend._link.call("HSET", f"{backend.namespace}:leases", "w2", "x")
    backend._link.call("ZADD", f"{backend.namespace}:workers", 1, "w2")
    backend._link.call("HSET", f"{backend.namespace}:counters", "beat", 1)
    messages.add([Submission("a", "q", b"p")], "r")
    assert len(messages.step(workers[0], 1, [], {workers[0].kind: 1}).claimed) == 1


def test_a_batch_with_a_known_uuid_is_stored_beside_overwritten_delayed_messages(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """Nothing tells then in which state the known one is, and the others are stored."""
    backend.messages.add([submission("known", "q")], "r1")
    backend._link.call("SET", backend.messages._keys.delayed(), "x")
    answers = backend.messages.add([submission("known", "q"), submission("new", "q")], "r2")
    assert answers == [Added(False, "known", None), ACCEPTED]
    assert backend._link.call("HEXISTS", backend.messages._keys.messages(), "new") == 1


def test_a_retry_of_a_message_whose_record_is_gone_is_told(
    backend: RedisBackend, submission: Callable[..., Submission]
) -> None:
    """Its payload is lost: it ends, with a dead letter, and its queue is empty."""
    messages = backend.messages
    worker = Worker("w1", "thread", ("q",), 60_000, 60_000)
    messages.register(worker)
    messages.add([submission("a", "q")], "r1")
    (claimed,) = messages.step(worker, 1, [], {"thread": 1}).claimed
    backend._link.call("HDEL", messages._keys.messages(), "a")
    step = messages.step(worker, 2, [Retried("a", "q", claimed.token, 0, 1)], {"thread": 0})
    assert [(one.uuid, one.queue) for one in step.corrupt] == [("a", "q")]
    assert messages.count("q") == 0
    assert messages.dead_letter("q", "a") is not None
