"""A task process's connection to its engine: permitted jobs come in, answers go out, and wake-ups are few."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.process_executor.engine_connection import EngineConnection
from alsek.core.worker.process_executor.frames import FrameReader, pack, receive
from alsek.core.worker.process_executor.start_permits import StartPermits
from tests.unit.workers.fakes import PATIENCE

WOKEN = frozenset({os.getpid() & 0xFF})


class Ends:
    """Both ends of a connection, in one process."""

    def __init__(self) -> None:
        self.engine, self.process = socket.socketpair()
        self.engine.settimeout(PATIENCE)
        self.wakeup, self.permits, self.frames = WakeupPipe(), StartPermits(), FrameReader()
        self.connection = EngineConnection(self.process, self.wakeup, self.permits)

    def give(self, *numbers: int, permit: bool = True) -> None:
        """Send jobs of these numbers."""
        if permit:
            self.permits.grant(numbers)
        self.engine.sendall(pack(tuple((number, 10 + number, ("u",), None) for number in numbers)))

    def next(self) -> int | None:
        """The number of the next job that the process is to start."""
        given = self.connection.next_job()
        return None if given is None else given.number

    def close(self) -> None:
        """Close all."""
        for each in (self.engine, self.process, self.wakeup, self.permits):
            each.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A connection."""
    ends = Ends()
    yield ends
    with contextlib.suppress(OSError):
        ends.close()


@pytest.mark.parametrize("unread", [b"", b"read by nobody"])
def test_sending_to_a_closed_engine_is_no_error(ends: Ends, unread: bytes) -> None:
    """And there is no next job: so a spare exits quietly when its pool stops."""
    if unread:
        ends.process.sendall(unread)
    ends.engine.close()
    ends.connection.send_now(("ready",))
    ends.connection.send_answer(pack(("x" * 1_000_000,)))
    assert ends.connection.next_job() is None
    assert ends.connection.receive_verdict() is None


def test_a_job_is_started_or_revoked(ends: Ends) -> None:
    """Jobs whose permits were revoked are never started; jobs that are sent later are, once."""
    ends.give(1, 2, 3, 4)
    assert ends.next() == 1
    assert ends.next() == 2
    assert ends.permits.revoke() == bytes((3, 4))
    assert ends.permits.revoke() == b""
    ends.give(5, 6)
    assert ends.next() == 5
    assert ends.permits.revoke() == bytes((6,))
    ends.give(7)
    assert ends.next() == 7


def test_a_permit_may_be_there_before_its_job(ends: Ends) -> None:
    """A revoked job is skipped also if the permit of a later job is read before that job has arrived."""
    ends.give(1, 2)
    assert ends.next() == 1
    assert ends.permits.revoke() == bytes((2,))
    ends.permits.grant((3,))

    def later() -> None:
        ends.give(3, permit=False)

    timer = threading.Timer(0.05, later)
    timer.start()
    assert ends.next() == 3
    timer.join()


def test_there_is_no_next_job_once_the_engine_has_closed(ends: Ends) -> None:
    """Also if jobs were revoked before."""
    ends.give(1)
    assert ends.permits.revoke() == bytes((1,))
    ends.engine.close()
    assert ends.next() is None
    assert ends.connection.receive_verdict() is None


def test_without_permits_all_may_be_started(ends: Ends) -> None:
    """A process that is sent one job at a time needs none."""
    connection = EngineConnection(ends.process, ends.wakeup, None)
    ends.give(1, permit=False)
    given = connection.next_job()
    assert given is not None
    assert (given.number, given.entry, given.charge) == (1, 11, None)


def test_a_verdict_may_come_after_jobs(ends: Ends) -> None:
    """Jobs that come while it waits for the verdict are kept."""
    ends.give(1)
    ends.engine.sendall(pack(True))
    assert ends.connection.receive_verdict() is True
    assert ends.next() == 1


def test_the_engine_is_woken_before_the_process_waits_and_not_for_each_answer(ends: Ends) -> None:
    """Answers are sent at once; one wake-up serves several."""
    ends.give(1, 2, 3)
    ends.next()
    ends.connection.send_answer(pack(("a",)))
    assert frozenset(ends.wakeup.read()) == WOKEN  # the first after a while
    ends.connection._notify_at = float("inf")
    for answer in ("b", "c"):
        ends.next()
        ends.connection.send_answer(pack((answer,)))
        assert ends.wakeup.read() == b""
    assert [receive(ends.engine, ends.frames) for _ in "abc"] == [("a",), ("b",), ("c",)]
    ends.engine.shutdown(socket.SHUT_WR)
    assert ends.next() is None
    assert frozenset(ends.wakeup.read()) == WOKEN


def test_an_answer_that_does_not_fit_wakes_the_engine(ends: Ends) -> None:
    """As often as the socket is full: the engine does not read before."""
    text = "x" * 3_000_000

    def send() -> None:
        ends.connection.send_answer(pack((text,)))
        ends.connection.flush()

    sender = threading.Thread(target=send)
    sender.start()
    ends.engine.setblocking(False)
    value: Any = None
    while value is None:
        assert select.select([ends.wakeup], [], [], PATIENCE)[0]
        ends.wakeup.read()
        with contextlib.suppress(BlockingIOError):
            while True:
                ends.frames.feed(ends.engine.recv(65536, socket.MSG_DONTWAIT))
        value = ends.frames.take()
    sender.join(PATIENCE)
    assert value == (text,)
