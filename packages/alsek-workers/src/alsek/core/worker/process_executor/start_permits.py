"""Start permits: which of the queued jobs a task process may still start.

A process may be sent several jobs at once. For each there is a permit: one byte in a pipe, both ends of which the
engine keeps open. The process takes a job's permit just before it starts the job; the engine revokes all that are left.
A byte is read from a pipe once, so each job is either started or revoked, never both, and neither side waits for the
other: the process may be running a long task, stopped or dead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

#: Jobs are numbered modulo this, which is far more than a process is ever sent at once.
NUMBERS: Final = 256


class StartPermits:
    """The permits of one process. Made before the engine and the process are forked."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        os.set_blocking(self._in, False)

    def grant(self, numbers: Iterable[int]) -> None:
        """Permit the start of these jobs. Called before they are sent."""
        os.write(self._in, bytes(numbers))

    def take(self) -> int | None:
        """In the process: return the number of the next job that it may start; None if there is none."""
        try:
            return os.read(self._out, 1)[0]
        except BlockingIOError:
            return None

    def revoke(self) -> bytes:
        """Return the numbers of the jobs that were not started, in order. They can't be started any more."""
        try:
            return os.read(self._out, NUMBERS)
        except BlockingIOError:
            return b""

    def close(self, *, taken: bool = True) -> None:
        """Close the end that grants; with `taken`, also the one that takes."""
        os.close(self._in)
        if taken:
            os.close(self._out)
