"""Calls in the background: one after the other, bounded, and no obstacle to the end of the program."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from alsek.core import background_thread as background
from alsek.core.background_thread import Background


def test_each_request_is_a_call_and_one_that_fails_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    """As many calls as requests; what one raises is logged."""
    calls: list[int] = []
    done = threading.Event()

    def work() -> None:
        calls.append(threading.get_ident())
        if len(calls) == 1:
            raise ConnectionError("away")
        if len(calls) == 3:
            done.set()

    caller = Background(work, "chore")
    for _ in range(3):
        caller.request()
    assert done.wait(60)
    caller.stop()
    assert len(set(calls)) == 1
    assert "chore failed." in caplog.text
    assert "ConnectionError: away" in caplog.text


def test_what_can_not_be_kept_up_with_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """While a call takes long, a bounded number waits; stopping lets none of them begin, and waits for nothing."""
    begun, go, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        calls.append(1)
        begun.set()
        assert go.wait(60)

    caller = Background(work, "slow chore")
    caller.request()
    assert begun.wait(60)
    with caplog.at_level(logging.WARNING):
        for _ in range(background._MOST_WAITING + 1):
            caller.request()
    assert caplog.text.count("left one out") == 1
    (thread,) = (each for each in threading.enumerate() if each.name == "slow chore")
    caller.stop()
    go.set()
    thread.join(60)
    assert not thread.is_alive()
    assert calls == [1]


@pytest.mark.parametrize("requests", [1, 3, background._MOST_WAITING + 1])
def test_what_waits_can_be_let_come_first(requests: int) -> None:
    """Stopped without dropping anything: each request is a call still, and then the thread ends."""
    go, calls = threading.Event(), []

    def work() -> None:
        calls.append(1)
        assert go.wait(60)

    caller = Background(work, f"chore of {requests}")
    caller.request()
    while not calls:
        threading.Event().wait(0.001)
    for _ in range(requests - 1):
        caller.request()
    (thread,) = (each for each in threading.enumerate() if each.name == f"chore of {requests}")
    caller.stop(drop_waiting=False)
    go.set()
    thread.join(60)
    assert not thread.is_alive()
    assert len(calls) == requests


def test_in_a_forked_child_nothing_is_called() -> None:
    """The thread stays with the parent: in the child, a request and a stop return at once."""
    calls: list[int] = []
    caller = Background(lambda: calls.append(1), "chore")
    pid = os.fork()
    if not pid:
        caller.request()
        caller.stop()
        os._exit(len(calls))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    caller.stop()
