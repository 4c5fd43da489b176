"""How the processes of a pool tell its monitor what they count: by datagrams, which never make them wait.

One socket pair is made before any process is forked. Each datagram is one JSON object::

    {"counts": [[queue, task, counts], …]}      of an engine: added to the totals
    {"draining": false, "slots": {state: n}}    of the supervisor, once a second: replaces what it said before
"""

from __future__ import annotations

import json
import socket
from typing import Any, Final

#: The most bytes of a datagram.
MOST_BYTES: Final = 32_768
#: How many bytes may be on their way. (By default a Mac takes no datagram above 2 KiB.)
_BUFFER: Final = 262_144


class Channel:
    """The socket pair.

    Attributes:
        reader: The monitor's end.
        writer: The end of all others. It does not block.
    """

    def __init__(self) -> None:
        self.reader, self.writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self.reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self.writer.setblocking(False)

    def send(self, told: dict[str, Any]) -> bool:
        """Send a datagram; False if it could not be sent now: the monitor reads slowly, hangs, or is being started."""
        try:
            self.writer.send(json.dumps(told).encode())
        except OSError:
            return False
        return True

    def receive(self) -> dict[str, Any] | None:
        """Return the next datagram, once there is one; None for one that no process of the pool can have sent."""
        try:
            told = json.loads(self.reader.recv(2 * MOST_BYTES))
        except ValueError:
            return None
        return told if isinstance(told, dict) else None

    def close(self) -> None:
        """Close both ends in this process."""
        self.reader.close()
        self.writer.close()
