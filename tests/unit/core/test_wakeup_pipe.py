"""A pipe that wakes a sleeper: from threads, from children, however often."""

from __future__ import annotations

import os
import select
import threading
import time

import pytest

from alsek.core.wakeup_pipe import WakeupPipe


def readable(pipe: WakeupPipe) -> bool:
    """Whether one who polls it is awake."""
    return bool(select.select([pipe], [], [], 0)[0])


def test_a_notification_makes_it_readable_until_it_is_read() -> None:
    """A second reading finds nothing, and does not block."""
    pipe = WakeupPipe()
    assert not readable(pipe)
    assert pipe.read() == b""
    pipe.notify()
    pipe.notify(b"x")
    assert readable(pipe)
    assert pipe.read() == b"!x"
    assert not readable(pipe)
    pipe.close()


def test_draining_tells_whether_there_was_anything() -> None:
    """However much was written."""
    pipe = WakeupPipe()
    assert not pipe.drain()
    for _ in range(100_000):
        pipe.notify()  # a full pipe drops it
    assert pipe.drain()
    assert not readable(pipe)
    pipe.close()


def test_a_lossless_pipe_waits_for_its_reader() -> None:
    """Each byte arrives."""
    pipe = WakeupPipe(lossless=True)
    writer = threading.Thread(target=lambda: [pipe.notify() for _ in range(70_000)])
    writer.start()
    found = 0
    deadline = time.monotonic() + 60
    while found < 70_000 and time.monotonic() < deadline:
        found += len(pipe.read())
    writer.join()
    assert found == 70_000
    pipe.close()


def test_a_child_wakes_its_parent_and_closes_its_own_ends() -> None:
    """What it closes stays open here."""
    pipe = WakeupPipe()
    pid = os.fork()
    if not pid:
        pipe.notify(b"c")
        pipe.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert pipe.read() == b"c"
    pipe.notify()
    assert pipe.drain()
    pipe.close()


def test_a_pipe_collected_in_a_child_closes_nothing_there() -> None:
    """A daemon closes what it has inherited, and then other files get these descriptors."""
    pipe = WakeupPipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(pipe.reader)
            os.close(pipe.writer)
            others = os.pipe()
            same = set(others) == {pipe.reader, pipe.writer}
            del pipe
            os.write(others[1], b"x")
            status = 0 if same and os.read(others[0], 1) == b"x" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    pipe.close()


def test_an_end_that_is_closed_already_keeps_no_other_open() -> None:
    """Both ends are closed, and none a second time."""
    pipe = WakeupPipe()
    reader, writer = pipe.reader, pipe.writer
    os.close(reader)
    pipe.close()
    assert (pipe.reader, pipe.writer) == (-1, -1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(writer)


def test_closing_again_closes_nothing_else() -> None:
    """The descriptors may be another's by then."""
    pipe = WakeupPipe()
    ends = {pipe.reader, pipe.writer}
    pipe.close()
    assert (pipe.reader, pipe.writer) == (-1, -1)
    others = os.pipe()
    assert set(others) == ends
    pipe.close()
    del pipe
    for descriptor in others:
        os.close(descriptor)


def test_a_closed_pipe_wakes_nobody() -> None:
    """A write to it is an error, and reaches no descriptor that has taken its place."""
    pipe = WakeupPipe()
    pipe.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        pipe.notify()
