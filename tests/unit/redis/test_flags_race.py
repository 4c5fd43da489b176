"""Threads that meet a server without script flags at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from alsek.storage.backends.redis import RedisBackend


def test_threads_learn_together_that_flags_are_unknown(redis_url: str) -> None:
    """A call that fails for its flags is sent again, though another thread has noted that before (Redis before 7)."""
    for attempt in range(20):
        backend = RedisBackend(redis_url, namespace=f"flags-race-{attempt}")
        together = threading.Barrier(4)

        def ask(backend: RedisBackend = backend, together: threading.Barrier = together) -> object:
            together.wait()
            return backend.locks.holder("nobody")

        with ThreadPoolExecutor(4) as threads:
            assert [asked.result() for asked in [threads.submit(ask) for _ in range(4)]] == 4 * [None]
        backend.close()
