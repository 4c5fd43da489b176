"""What workers tell the store of themselves."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from alsek.core.broker import Broker
from alsek.core.clock import wall_clock_ms
from alsek.core.consumer import Consumer
from alsek.core.execution.facts import HandedOut, can_fire, running, worker_facts
from alsek.core.message import Message
from alsek.storage.backends.records import Claimed
from alsek.version import __version__
from tests.waiting import eventually


def test_facts_name_host_process_version_tasks_and_slots() -> None:
    """Tasks in alphabetical order; None stands for any task."""
    facts = worker_facts(["b", "a"], 3)
    assert facts == (socket.gethostname(), os.getpid(), __version__, ("a", "b"), 3, False, ())
    assert worker_facts(None).tasks is None
    assert worker_facts(None).slots == 0


def test_facts_tell_of_schedules() -> None:
    """Whether the worker fires them, and the names of those that it declares, in alphabetical order."""
    facts = worker_facts(["b"], 3, fires=True, schedules=["d", "c"])
    assert (facts.fires, facts.schedules) == (True, ("c", "d"))


def test_schedules_can_be_fired_where_apscheduler_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out without importing it."""
    assert can_fire()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not can_fire()


def test_a_thread_may_have_any_name() -> None:
    """What no store could write is replaced, and a long name is cut."""
    thread = threading.Thread(name="\ud800" + 500 * "x")
    told = running(Claimed("u", "q", b"", 7, retries=2), 12, 34, thread)
    assert told[:4] == ("u", 12, 3, 34)
    assert told.thread.startswith("\\ud800xxx")
    assert len(told.thread) < 120
    told.thread.encode()


def test_a_consumer_says_who_it_is_and_what_it_has_handed_out(broker: Broker) -> None:
    """Its facts when it registers; the messages that its caller holds with each renewal of its lease."""
    for uuid in ("a", "b", "c"):
        broker.submit(Message("t", uuid=uuid))
    before = wall_clock_ms()
    with Consumer(broker, lease=60) as consumer:
        stream = consumer.stream()
        messages = [next(stream) for _ in range(3)]
        broker.ack(messages[1])

        def told() -> list[str]:
            (worker,) = broker.backend.messages.workers()
            assert worker.facts == worker_facts(None)
            return [each.uuid for each in worker.running]

        eventually(lambda: told() == ["a", "c"])
        (worker,) = broker.backend.messages.workers()
        assert worker.running[0].pid == os.getpid()
        assert worker.running[0].thread == threading.current_thread().name
        assert before <= worker.running[0].started_at <= wall_clock_ms()
        for message in (messages[0], messages[2]):
            broker.ack(message)
        eventually(lambda: told() == [])


def test_what_is_settled_is_forgotten_although_no_lease_is_renewed() -> None:
    """A consumer that handles many messages between two renewals keeps no note of each."""
    handed_out = HandedOut()
    for token in range(10_000):
        handed_out.add(Claimed(str(token), "q", b"", token), {token})
    assert len(handed_out._by_token) < 200
    assert [each.uuid for each in handed_out.held({9_999})] == ["9999"]
