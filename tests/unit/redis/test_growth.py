"""What goes on for ever does not grow for ever."""

from __future__ import annotations

import pytest

from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis


def test_results_that_are_gone_leave_the_index_of_their_progenitor(backend: RedisBackend) -> None:
    """A trigger's ticks, each of whose results is fetched: the list of all ticks' results stays short."""
    for n in range(2_000):
        backend.results.put(f"r{n}", b"1", ttl=60_000, progenitor="first")
        backend.results.delete([f"r{n}"])
    backend.results.put("last", b"1", ttl=60_000, progenitor="first")
    assert [record.uuid for record in backend.results.descendants("first")] == ["last"]
    for n in range(2_000):
        backend.results.put(f"s{n}", b"1", ttl=60_000, progenitor="first")
        backend.results.delete([f"s{n}"])
    assert int(backend._link.call("ZCARD", f"{backend.namespace}:descendants:first")) < 50
