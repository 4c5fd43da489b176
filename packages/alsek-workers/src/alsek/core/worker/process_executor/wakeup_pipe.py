"""How task processes wake their engine: a pipe that all of them share.

An answer is written to the process's own socket as soon as there is one, so that it outlives the process; but the
engine does not look there before the bell is rung. So it is not woken for each of several short tasks.
"""

from __future__ import annotations

import os


class WakeupPipe:
    """Made before the engine and the template are forked. One byte a ring: the lowest of the process's id."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)

    def fileno(self) -> int:
        """Readable when it has been rung."""
        return self._out

    def ring(self) -> None:
        """Let the engine look at what this process has said."""
        os.write(self._in, bytes((os.getpid() & 0xFF,)))

    def heard(self) -> frozenset[int]:
        """The lowest bytes of the ids of the processes that have rung."""
        try:
            return frozenset(os.read(self._out, 65536))
        except BlockingIOError:
            return frozenset()

    def close(self) -> None:
        """Close both ends."""
        os.close(self._out)
        os.close(self._in)
