"""Keys that are pressed on the terminal, one at a time."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Final, Self

#: What a terminal sends for keys that are no characters; of some there are two forms.
_SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
}
#: What a sequence may begin with; the rest comes at once, but over a slow line not in the same read.
_BEGINNINGS: Final = frozenset(sequence[:size] for sequence in _SEQUENCES for size in range(1, len(sequence)))
_REST_S: Final = 0.1


class Keys:
    """Reads keys from stdin within its context: the terminal shows none of them and does not wait for Enter."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        self._settings: list[Any] = []
        self._unread = b""

    def __enter__(self) -> Self:
        self._settings = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._settings)

    def next(self, seconds: float) -> str | None:
        """Return the next key, such as ``"q"`` or ``"up"``; None if none is pressed within so many seconds.

        ``"end of input"`` if the terminal is gone.
        """
        if not self._unread:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, seconds))
            if not ready:
                return None
            self._unread = os.read(self._descriptor, 256)
            if not self._unread:
                return "end of input"
        if self._unread in _BEGINNINGS and select.select([self._descriptor], [], [], _REST_S)[0]:
            self._unread += os.read(self._descriptor, 256)
        for sequence, name in _SEQUENCES.items():
            if self._unread.startswith(sequence):
                self._unread = self._unread[len(sequence) :]
                return name
        first, self._unread = self._unread[:1], self._unread[1:]
        if first == b"\x1b":  # of a key that has no meaning here
            self._unread = b""
        return first.decode(errors="replace")
