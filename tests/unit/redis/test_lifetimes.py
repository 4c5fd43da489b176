"""How long Redis keeps things if nobody says otherwise: it counts these times itself."""

from __future__ import annotations

import pytest

from alsek import Broker, Message, ResultStore, StatusTracker, TaskStatus
from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis

DAY = 24 * 3_600_000
WEEK = 7 * DAY


def test_results_statuses_and_dead_letters_end(backend: RedisBackend) -> None:
    """A result has a day to live, a status and a dead letter a week."""
    broker, message = Broker(backend), Message("t", "q")
    ResultStore(backend).set(message, 1)
    StatusTracker(backend).set(message, TaskStatus.SUCCEEDED)
    broker.submit(message)
    broker.fail(message)
    for key, lifetime in [
        (f"results:{message.uuid}", DAY),
        (f"statuses:{message.uuid}", WEEK),
        (f"letters:{message.uuid}\nq", WEEK),
    ]:
        left = int(backend._link.call("PTTL", f"{backend.namespace}:{key}"))
        assert lifetime - 60_000 < left <= lifetime, key
