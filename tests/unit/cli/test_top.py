"""``alsek top``, on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
from collections.abc import Callable, Iterator

import pyte
import pytest

from alsek.core.broker import Broker
from alsek.core.consumer import Consumer
from alsek.core.message import Message
from alsek.storage.backends.redis import RedisBackend
from tests.conftest import RedisServer
from tests.unit.cli.conftest import Shell
from tests.waiting import eventually

pytestmark = pytest.mark.slow

_WIDTH, _HEIGHT = 100, 24
_DOWN, _UP = "\x1b[B", "\x1b[A"


class Terminal:
    """A terminal on which ``alsek top`` runs, and what it shows."""

    def __init__(self, *arguments: str, kind: str = "xterm-256color") -> None:
        self.screen = pyte.Screen(_WIDTH, _HEIGHT)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = kind
            command = [sys.executable, "-m", "alsek.cli", "top", *arguments]
            os.execv(command[0], command)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", _HEIGHT, _WIDTH, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def shows(self, what: Callable[[list[str]], bool]) -> None:
        """Return once the screen is as `what` says."""
        eventually(lambda: what(self._lines()), 60, lambda: "\n".join(self._lines()))

    def chosen(self) -> str:
        """The queue in the row that is shown in reverse."""
        rows = [y for y in range(_HEIGHT) if self.screen.buffer[y][0].reverse]
        return self._lines()[rows[0]].split()[0] if rows else ""

    def ended(self) -> int:
        """The exit code, once it has ended."""
        status: list[int] = []

        def has_ended() -> bool:
            self._read()
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            status.append(code)
            return pid == self.pid

        eventually(has_ended)
        self.pid = 0
        return os.waitstatus_to_exitcode(status[-1])

    def close(self) -> None:
        """End it, if it has not."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)

    def _lines(self) -> list[str]:
        self._read()
        return [line.rstrip() for line in self.screen.display]

    def _read(self) -> None:
        while select.select([self._descriptor], [], [], 0)[0]:
            try:
                data = os.read(self._descriptor, 65_536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.sent += data
            self._stream.feed(data)


@pytest.fixture
def top(alsek: Shell) -> Iterator[Terminal]:
    """It runs on a store with three queues, of which `b` has most to do."""
    for queue in ("a", "b", "b", "c"):
        alsek.submit(queue=queue)
    terminal = Terminal("--store", str(alsek.store), "--interval", "200ms")
    try:
        yield terminal
    finally:
        terminal.close()


def test_it_shows_what_happens(alsek: Shell, top: Terminal) -> None:
    """Queues with the most to do come first, and what changes is shown without a key."""
    top.shows(lambda lines: lines[1].startswith("4 ready"))
    top.shows(lambda lines: [line.partition(" ")[0] for line in lines[5:8]] == ["b", "a", "c"])
    with Consumer(alsek.broker, queues=["c"]) as consumer:
        next(consumer.stream())
        top.shows(lambda lines: lines[1].startswith("3 ready, 0 delayed, 1 running"))
        top.shows(lambda lines: lines[2].startswith("1 live worker"))
    top.type("q")
    assert top.ended() == 0


def test_keys_choose_a_queue_and_pause_it(alsek: Shell, top: Terminal) -> None:
    """The arrows move the choice, p pauses the queue and resumes it; q ends with the terminal as it was."""
    top.shows(lambda _: top.chosen() == "b")
    top.type(_DOWN + _DOWN + _UP)
    top.shows(lambda _: top.chosen() == "a")
    top.type("p")
    top.shows(lambda lines: any(line.startswith("a ") and "paused by" in line for line in lines))
    assert [pause.queue for pause in alsek.backend.messages.pauses()] == ["a"]
    assert top.chosen() == "a"
    top.type("p")
    top.shows(lambda lines: not any("paused by" in line for line in lines))
    assert alsek.backend.messages.pauses() == []
    top.type("q")
    assert top.ended() == 0
    assert top.sent.rstrip().endswith((b"\x1b[?1049l\x1b[?25h", b"\x1b[?25h\x1b[?1049l", b"\x1b[?1049l"))


def test_an_interrupt_ends_it(top: Terminal) -> None:
    """Ctrl-C is as good as q, and leaves no traceback behind."""
    top.shows(lambda lines: lines[1].startswith("4 ready"))
    top.type("\x03")
    assert top.ended() == 0
    assert b"Traceback" not in top.sent


def test_an_outage_is_shown_and_passes(alsek: Shell, redis_server: Callable[..., RedisServer]) -> None:
    """While the store does not answer, that is said above what was last seen; then it goes on."""
    server = redis_server()
    backend = RedisBackend(server.url)
    Broker(backend).submit(Message("work", queue="a"))
    terminal = Terminal("--store", server.url, "--interval", "200ms")
    try:
        terminal.shows(lambda lines: lines[1].startswith("1 ready"))
        server.pause()
        terminal.shows(lambda lines: "can't be reached" in lines[3] and lines[1].startswith("1 ready"))
        server.resume()
        Broker(backend).submit(Message("work", queue="a"))
        terminal.shows(lambda lines: lines[1].startswith("2 ready") and not lines[3])
        terminal.type("q")
        assert terminal.ended() == 0
    finally:
        server.resume()
        terminal.close()
        backend.close()


def test_without_a_terminal_it_is_wrong_usage(alsek: Shell) -> None:
    """The sentence names the command that shows the same once; JSON is a single look."""
    said = alsek("top")
    assert said.code == 2
    assert "this needs a terminal; alsek status shows the same once" in said.err
    assert alsek("top", "--json").json["queues"] == []


def test_a_terminal_that_can_not_be_drawn_on_is_wrong_usage(alsek: Shell) -> None:
    """There would be nothing to see on it; the sentence says what shows the same."""
    terminal = Terminal("--store", str(alsek.store), kind="dumb")
    try:
        terminal.shows(lambda lines: any("TERM=dumb can't be drawn on" in line for line in lines))
        assert terminal.ended() == 2
    finally:
        terminal.close()
