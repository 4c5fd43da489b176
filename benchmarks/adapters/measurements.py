"""What a task leaves behind, so that all peers are watched in the same way: a count, or the time of its start; and what
those compute that compute.

Both are files that every process maps. A tick costs a quarter of a microsecond and no system call but ``getpid``; each
process counts in a slot of its own, so that none disturbs another. Only the standard library is needed here: this
runs in every peer's environment.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from pathlib import Path

SLOTS = 1 << 16
_WORD = 8
_ROUNDS = 150_000


class _StampWriter:
    """The starts as this process maps them: a stamp costs about a microsecond, and no system call."""

    def __init__(self) -> None:
        self._words: memoryview | None = None

    def words(self) -> memoryview:
        """The map is shared with processes that are forked later."""
        if self._words is None:
            with stamps_file().open("r+b") as file:
                self._words = memoryview(mmap.mmap(file.fileno(), SLOTS * _WORD)).cast("Q")
        return self._words


class _Counter:
    """This process's slot. Slot 0 says how many are taken."""

    def __init__(self) -> None:
        self.pid = 0
        self.lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self.pid, self.lock = 0, threading.Lock()

    def take_slot(self) -> None:
        with self.lock:
            if self.pid == os.getpid():
                return
            with ticks_file().open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                self.words = memoryview(mmap.mmap(file.fileno(), SLOTS * _WORD)).cast("Q")
                self.words[0] += 1
                self.mine = self.words[0]
                fcntl.lockf(file, fcntl.LOCK_UN)
            self.pid = os.getpid()


_counter = _Counter()
_stamps = _StampWriter()


def folder() -> Path:
    """Where the files of this round are."""
    return Path(os.environ["BENCH_METERS"])


def ticks_file() -> Path:
    """The counts."""
    return folder() / "ticks"


def stamps_file() -> Path:
    """The starts."""
    return folder() / "stamps"


def prepare() -> None:
    """Fresh files: nothing counted, nothing started."""
    for path in (ticks_file(), stamps_file()):
        path.write_bytes(b"")
        os.truncate(path, SLOTS * _WORD)


def forget_starts() -> None:
    """Nothing started: in place, since workers map the file."""
    with stamps_file().open("r+b") as file:
        file.write(bytes(SLOTS * _WORD))


def tick() -> None:
    """One task was run."""
    if _counter.pid != os.getpid():
        _counter.take_slot()
    with _counter.lock:
        _counter.words[_counter.mine] += 1


def compute() -> int:
    """Compute for about ten milliseconds, in Python, which never lets go of the interpreter."""
    value = 0
    for each in range(_ROUNDS):
        value = (value * 31 + each) & 0xFFFFFFFF
    return value


def stamp(index: int) -> None:
    """Task `index` has just started: nanoseconds, on the clock that all processes of a machine share."""
    now = time.monotonic_ns()
    _stamps.words()[index] = now


class Ticks:
    """Reads how many tasks were run, in all processes."""

    def __init__(self) -> None:
        with ticks_file().open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SLOTS * _WORD)
        self._words = memoryview(self._map).cast("Q")

    def count(self) -> int:
        """Now."""
        return sum(self._words[1 : self._words[0] + 1])

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._map.close()


class Stamps:
    """Reads when tasks were started."""

    def __init__(self) -> None:
        with stamps_file().open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SLOTS * _WORD)
        self._words = memoryview(self._map).cast("Q")

    def get(self, index: int) -> int:
        """When task `index` started; 0 if it has not."""
        value: int = self._words[index]
        return value
