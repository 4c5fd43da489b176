"""Keys from a terminal."""

from __future__ import annotations

import os
import pty
import sys
import threading
from collections.abc import Iterator

import pytest

from alsek.cli.screens.keys import Keys


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that stdin is."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


def _pressed(keys: Keys, number: int) -> list[str | None]:
    return [keys.next(5) for _ in range(number)]


def test_keys_come_one_at_a_time(terminal: int) -> None:
    """Several that were pressed at once, in both forms that terminals send; what has no meaning is one key."""
    with Keys() as keys:
        os.write(terminal, b"q\x1b[A\x1bOBp\x1b[6~")
        assert _pressed(keys, 5) == ["q", "up", "down", "p", "page down"]
        os.write(terminal, b"\x1b[15~")
        assert _pressed(keys, 1) == ["\x1b"]
        assert keys.next(0) is None


def test_a_key_may_come_in_pieces(terminal: int) -> None:
    """As over a slow line: the rest is waited for, a moment."""
    with Keys() as keys:
        os.write(terminal, b"\x1b")
        later = threading.Timer(0.01, os.write, (terminal, b"[B"))
        later.start()
        assert _pressed(keys, 1) == ["down"]
        later.join()
        os.write(terminal, b"\x1b")
        assert _pressed(keys, 1) == ["\x1b"]
