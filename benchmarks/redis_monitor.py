"""What a Redis server knows: memory in use, and every command that is sent to it. Over a plain socket."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit


def _connect(url: str) -> socket.socket:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), timeout=5)


def used_memory(url: str) -> int:
    """Bytes."""
    with _connect(url) as connection:
        connection.sendall(b"INFO memory\r\n")
        with connection.makefile("rb") as replies:
            for line in replies:
                if line.startswith(b"used_memory:"):
                    return int(line.split(b":")[1])
    raise RuntimeError("the server does not tell its memory")


def commands_sent(url: str, seconds: float) -> list[str]:
    """The names of the commands that clients send in this time; what scripts call is not among them."""
    seen = []
    with _connect(url) as connection:
        connection.sendall(b"MONITOR\r\n")
        deadline, rest = time.monotonic() + seconds, b""
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                piece = connection.recv(65536)
            except TimeoutError:
                break
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                origin, _, command = line.partition(b"] ")
                if command and not origin.endswith(b" lua"):
                    seen.append(command.split(b'"')[1].decode("ascii", "replace").upper())
    return seen
