"""A pipe that wakes a thread or process which sleeps in ``poll``."""

from __future__ import annotations

import contextlib
import os


class WakeupPipe:
    """A pipe whose one end a sleeper polls, and to whose other end a byte is written to wake it.

    :meth:`notify` may be called from any thread, from a signal handler, and in a forked child, which has ends of its
    own. Neither end blocks. The pipe is closed when the object is collected, if not before; in a forked child only by
    :meth:`close`, since by then other files may have these descriptors there.

    Args:
        lossless: Let :meth:`notify` block while the pipe is full, for a reader to whom each byte says something. By
            default a byte that finds no room is dropped: what is in the pipe wakes the reader already.

    Attributes:
        reader: The descriptor to poll; -1 once closed.
        writer: The descriptor to write to, for ``signal.set_wakeup_fd``; -1 once closed.
    """

    __slots__ = ("_pid", "reader", "writer")

    def __init__(self, *, lossless: bool = False) -> None:
        self.reader = self.writer = -1
        self._pid = os.getpid()
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, lossless)

    def fileno(self) -> int:
        """Return the descriptor that is readable after :meth:`notify`."""
        return self.reader

    def notify(self, byte: bytes = b"!") -> None:
        """Wake the sleeper."""
        try:
            os.write(self.writer, byte)
        except BlockingIOError:
            return  # full of bytes that wake it

    def read(self) -> bytes:
        """Return what was written, up to 64 KiB of it; empty if there is nothing."""
        try:
            return os.read(self.reader, 65536)
        except BlockingIOError:
            return b""

    def drain(self) -> bool:
        """Discard what was written, so that the pipe is readable no longer; return whether there was anything."""
        found = False
        while self.read():
            found = True
        return found

    def close(self) -> None:
        """Close both ends in this process; again does nothing."""
        descriptors = self.reader, self.writer
        # First, so that nothing closes them again: the next file that is opened gets the same numbers.
        self.reader = self.writer = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                with contextlib.suppress(OSError):  # closed by another already
                    os.close(descriptor)

    def __del__(self) -> None:
        if self._pid == os.getpid():
            self.close()
