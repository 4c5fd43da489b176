"""Names."""

from __future__ import annotations

import pytest

from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.keys import Keys


def test_a_cluster_keeps_a_namespace_on_one_node() -> None:
    """With a hash tag, every name hashes by the namespace alone."""
    keys = Keys("alsek", hash_tag=True)
    assert keys.queues() == "{alsek}:queues"
    assert keys.result("u") == "{alsek}:results:u"


def test_the_usual_prefix_is_the_namespace() -> None:
    """Names are as the documentation has them."""
    assert Keys("alsek").messages() == "alsek:messages"


@pytest.mark.redis
def test_one_namespace_within_the_name_of_another(redis_url: str) -> None:
    """``a`` and ``a:values`` never meet, and clearing one leaves the other."""
    outer, inner = RedisBackend(redis_url, namespace="a"), RedisBackend(redis_url, namespace="a:values")
    try:
        outer.set("messages", 1)
        inner.messages.add([Submission("u", "q", b"p")], "r")
        assert outer.get("messages") == 1
        assert outer.clear_namespace() == 1
        assert inner.messages.exists("q", "u")
    finally:
        inner.clear_namespace()


@pytest.mark.redis
def test_nothing_is_left_of_finished_work(backend: RedisBackend) -> None:
    """Once all messages are removed, neither queue nor token lists of it remain; their uuids do for the window."""
    backend.messages.add([Submission("u", "q", b"p"), Submission("v", "q", b"p", delay=9_000)], "r")
    assert backend.messages.remove("q", "u")
    assert backend.messages.remove("q", "v")
    prefix = f"{backend.namespace}:"
    left = {name.decode().removeprefix(prefix) for name in backend._link.call("KEYS", f"{prefix}*")}
    assert {name for name in left if not name.startswith("finished:")} <= {
        "counters",
        "wakes:thread",
        "wakes:process",
    }
