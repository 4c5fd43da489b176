"""Which of the jobs that a task process was sent it may still begin.

A process may have been sent several jobs ahead. For each of them there is a permit, one byte in a pipe that both ends
of which the engine keeps: the process takes a job's permit just before it begins the job, the engine takes back all
that are left. A byte comes out of a pipe once, so each job is either begun or taken back, never both, and nobody has to
wait for the other: the process may be deep in a long task, stopped or dead.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

#: Jobs are named by their number in this: far more than a process can be sent at once.
NUMBERS = 256


class StartPermits:
    """Of one process; made before the engine and the process are forked."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        os.set_blocking(self._in, False)

    def give(self, numbers: Iterable[int]) -> None:
        """Let these jobs be begun. To be called before they are sent."""
        os.write(self._in, bytes(numbers))

    def take(self) -> int | None:
        """In the process: the number of the next job that may be begun; None if there is none."""
        try:
            return os.read(self._out, 1)[0]
        except BlockingIOError:
            return None

    def take_back(self) -> bytes:
        """The numbers of the jobs that were not begun, in order; from now on they can't be."""
        try:
            return os.read(self._out, NUMBERS)
        except BlockingIOError:
            return b""

    def close(self, *, taken: bool = True) -> None:
        """Close the end that gives; with `taken`, also the one that takes."""
        os.close(self._in)
        if taken:
            os.close(self._out)
