"""A backend with its own namespace on the session's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from alsek.storage.backends.records import Submission, Worker
from alsek.storage.backends.redis import RedisBackend


@pytest.fixture
def backend(redis_url: str) -> Iterator[RedisBackend]:
    """A backend with its own namespace."""
    made = RedisBackend(redis_url, namespace=f"t{uuid4().hex[:12]}", timeout=30_000)
    yield made
    made.clear_namespace()
    made.close()


@pytest.fixture
def new_worker() -> Callable[..., Worker]:
    """Makes workers, with the usual values for what is not given."""

    def make(**changes: Any) -> Worker:
        usual: dict[str, Any] = {
            "id": uuid4().hex,
            "kind": "thread",
            "queues": None,
            "lease": 15_000,
            "dlq_ttl": 60_000,
        }
        return Worker(**{**usual, **changes})

    return make


@pytest.fixture
def submission() -> Callable[..., Submission]:
    """Makes submissions to the queue "q"."""

    def make(uuid: str, queue: str = "q", **changes: Any) -> Submission:
        return Submission(uuid, queue, b"payload of " + uuid.encode(), **changes)

    return make
