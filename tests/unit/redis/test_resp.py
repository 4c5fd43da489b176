"""The wire format."""

from __future__ import annotations

import pytest
from redis.connection import Connection

from alsek.storage.backends.redis.client.resp import Argument, encode


@pytest.mark.parametrize(
    "command", [("PING",), ("SET", "ключ", b"\x00\r\n\xff", "PX", 10), ("X", "", b"", -1, "a" * 7000)]
)
def test_a_command_is_packed_as_redis_py_does(command: tuple[Argument, ...]) -> None:
    """The bytes are the same as those of the client."""
    assert encode(command) == b"".join(bytes(piece) for piece in Connection().pack_command(*command))
