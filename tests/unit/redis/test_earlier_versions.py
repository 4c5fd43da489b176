"""Results that version 0.1.0 wrote."""

from __future__ import annotations

import pytest

from alsek.storage.backends.redis import RedisBackend

pytestmark = pytest.mark.redis


def test_a_result_of_0_1_0_with_a_progenitor_is_read_but_not_listed(backend: RedisBackend) -> None:
    """Its own record is read as ever; the index does not name the write that a new one has, so its entry is removed."""
    prefix = backend.namespace
    backend._link.call("SET", f"{prefix}:results:old", b"1700000000000|5|1")
    backend._link.call("ZADD", f"{prefix}:descendants:root", 7, "old")
    backend.results.put("new", b"2", progenitor="root")
    (record,) = backend.results.get(["old"])
    assert record is not None
    assert (record.payload, record.token, record.timestamp) == (b"1", 5, 1_700_000_000_000)
    assert [each.uuid for each in backend.results.descendants("root")] == ["new"]
    assert backend._link.call("ZRANGE", f"{prefix}:descendants:root", 0, -1) == [b"new"]


def test_a_new_result_with_a_progenitor_has_its_write_behind_the_token(backend: RedisBackend) -> None:
    """This is the form that version 0.1.0 can't read; a result without a progenitor has that version's form."""
    backend.results.put("new", b"2", token=5, progenitor="root")
    backend.results.put("plain", b"2", token=5)
    assert backend._link.call("GET", f"{backend.namespace}:results:new").split(b"|")[1] == b"5^1"
    assert backend._link.call("GET", f"{backend.namespace}:results:plain").split(b"|")[1] == b"5"
