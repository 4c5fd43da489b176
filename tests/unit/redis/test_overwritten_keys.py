"""Keys of Alsek's that another program has overwritten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.storage.backends.records import ACCEPTED, Submission, Succeeded, Worker
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
