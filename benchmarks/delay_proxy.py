"""A network with a delay: a proxy in a process of its own, before a server on this machine.

What it takes in it hands on half a round trip later, in order. It has no limit of its own but its CPU time, about 20 µs
for a piece.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_PIECE = 1 << 18


@contextmanager
def running(url: str, milliseconds: float) -> Iterator[str]:
    """The URL at which the server of `url` is reached, over a network of this round trip."""
    address = urlsplit(url)
    command = [
        sys.executable,
        str(Path(__file__)),
        str(address.hostname),
        str(address.port),
        str(milliseconds),
    ]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert proxy.stdout is not None
        port = int(proxy.stdout.readline())
        yield urlunsplit(address._replace(netloc=f"127.0.0.1:{port}"))
    finally:
        proxy.kill()
        proxy.wait()


class _Proxy:
    """Pairs of connections.

    Args:
        server: The address of the server.
        one_way: The delay in seconds.
    """

    def __init__(self, server: tuple[str, int], one_way: float) -> None:
        self._server = server
        self._one_way = one_way
        self._peers: dict[socket.socket, socket.socket] = {}
        #: When, to which connection, and what; an empty piece ends it. All have the same delay: the first is due first.
        self._under_way: deque[tuple[float, socket.socket, bytes]] = deque()

    def serve(self, listening: socket.socket) -> None:
        """Without end."""
        while True:
            wait = max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None
            ready, _, _ = select.select([listening, *self._peers], [], [], wait)
            due = time.monotonic() + self._one_way
            for one in ready:
                if one is listening:
                    self._connect(listening.accept()[0])
                else:
                    self._take(one, due)
            self._hand_on()

    def _connect(self, client: socket.socket) -> None:
        server = socket.create_connection(self._server)
        for one, other in ((client, server), (server, client)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[one] = other

    def _take(self, one: socket.socket, due: float) -> None:
        try:
            piece = one.recv(_PIECE)
        except OSError:
            piece = b""
        other = self._peers[one]
        if not piece:
            del self._peers[one]
        self._under_way.append((due, other, piece))

    def _hand_on(self) -> None:
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, other, piece = self._under_way.popleft()
            with contextlib.suppress(OSError):
                if piece:
                    other.sendall(piece)
                else:
                    other.shutdown(socket.SHUT_WR)


def main() -> None:
    """As the command line says; the first line that is written is the port."""
    host, port, milliseconds = sys.argv[1:]
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listening.getsockname()[1], flush=True)
    _Proxy((host, int(port)), float(milliseconds) / 2_000).serve(listening)


if __name__ == "__main__":
    main()
