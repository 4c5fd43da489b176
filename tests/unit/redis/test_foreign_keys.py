"""What a stranger wrote under one of our names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.storage.backends.records import Submission, Worker
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
    step = backend.messages.step(worker, 1, [], 8)
    assert [claimed.uuid for claimed in step.claimed] == ["b"]
    assert [(corrupt.uuid, corrupt.queue) for corrupt in step.corrupt] == [("", "bad")]
    assert "WRONGTYPE" in step.corrupt[0].reason
    assert not step.waiting
    assert backend.messages.step(worker, 1, [], 8)[:2] == step[:2]


def test_a_message_for_such_a_queue_is_not_lost(
    backend: RedisBackend, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """It is accepted, and becomes ready once the foreign key is gone and a minute has passed."""
    backend._link.call("SET", f"{backend.namespace}:ready:a:bad", "foreign")
    assert backend.messages.add([submission("a", "bad"), submission("b", "good")], "r") == [True, True]
    stored = backend.messages.get("bad", "a")
    assert stored is not None
    assert stored.state == "delayed"
    worker = new_worker()
    backend.messages.register(worker)
    step = backend.messages.step(worker, 1, [], 8)
    assert [claimed.uuid for claimed in step.claimed] == ["b"]
    assert step.next_due is not None
    assert 0 < step.next_due <= 60_000
