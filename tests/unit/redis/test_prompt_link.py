"""Calls that never wait for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.redis.client.prompt_link import PROMPT_MS, PromptLink
from tests.conftest import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that a test may harm."""
    made = RedisServer()
    made.start()
    yield made
    made.discard()


class _Counted(PromptLink):
    """Counts the new connections on which it has asked."""

    fresh = 0

    def _ask_fresh(self, packed: bytes, left: float, repeat: bool) -> Any:
        self.fresh += 1
        return super()._ask_fresh(packed, left, repeat)


@pytest.fixture
def link(server: RedisServer) -> Iterator[_Counted]:
    """A link to it, of a backend whose other calls may take a minute, that has been used."""
    made = _Counted(server.url, 60_000)
    assert made.call("PING") == b"PONG"
    made.fresh = 0
    yield made
    made.close()


def test_a_server_that_hangs_is_given_up(server: RedisServer, link: _Counted) -> None:
    """Before it goes on: what was not answered in time is not sent again. Then it is asked on a new connection."""
    assert link.timeout == 2 * PROMPT_MS
    server.pause()
    for fresh in (0, 1):
        with pytest.raises(BackendUnavailableError):
            link.call("PING")
        assert link.fresh == fresh
    server.resume()
    assert link.call("PING") == b"PONG"


def test_a_connection_that_was_broken_is_replaced(server: RedisServer, link: _Counted) -> None:
    """At once, and the call is answered."""
    server.kill()
    server.start()
    assert link.call("PING") == b"PONG"
    assert link.fresh == 1


def test_a_server_that_is_gone_is_asked_once(server: RedisServer, link: _Counted) -> None:
    """It refuses the connection: nothing is waited for, and nothing is logged as an outage."""
    server.kill()
    with pytest.raises(BackendUnavailableError):
        link.call("PING")
    assert (link.fresh, link.outage_since) == (1, None)
