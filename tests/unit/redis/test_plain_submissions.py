"""Which submissions go by the short script, and how their calls are kept."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.storage.backends.records import GroupPlace, Submission, UniqueKey
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.ports import plain_submissions
from alsek.storage.backends.redis.ports.plain_submissions import PlainSubmissions
from tests.command_counts import calls_of

pytestmark = pytest.mark.redis

PLAIN = Submission("u", "q", b"payload")


def _made(*_: Any, **options: Any) -> Any:
    return options.get("fixed")


@pytest.mark.parametrize(
    "changes",
    [
        {"delay": 1},
        {"named": True},
        {"unique": UniqueKey.of_text("ex0:k")},
        {"group": GroupPlace("g", 0)},
        {"joins": "g"},
    ],
    ids=str,
)
def test_what_needs_more_is_left_to_the_long_script(changes: dict[str, Any]) -> None:
    """A delay, a uuid that was chosen, and each field of the tail are not of this kind."""
    plain = PlainSubmissions(_made)
    assert plain.call_for(PLAIN, b"r") is not None
    assert plain.call_for(PLAIN._replace(**changes), b"r") is None


def test_any_number_of_queues_keeps_a_bounded_number_of_calls(
    monkeypatch: pytest.MonkeyPatch, redis_server: Any
) -> None:
    """Beyond that number a message is stored as well, by the same script."""
    monkeypatch.setattr(plain_submissions, "_MOST_KNOWN", 2)
    backend = RedisBackend(redis_server().url)
    backend.messages.add((Submission("first", "q", b""),), "r")  # before Redis 7 it tries the commands
    before = calls_of(backend._link.client)
    for n in range(5):
        fresh = Submission(f"u{n}", f"queue{n}|1|t", b"%d" % n, priority=n, ttl=n * 1_000, status_ttl=-1)
        assert backend.messages.add((fresh,), f"r{n}")[0].accepted
    for n in range(5):
        stored = backend.messages.get(f"queue{n}|1|t", f"u{n}")
        assert stored is not None
        assert (stored.payload, stored.priority) == (b"%d" % n, n)
        status = backend.statuses.get([f"u{n}"])[0]
        assert status is not None
    assert len(backend.messages._plain._calls) == 2
    spent = calls_of(backend._link.client)
    assert spent.get("hsetnx", 0) - before.get("hsetnx", 0) == 5
    backend.close()
