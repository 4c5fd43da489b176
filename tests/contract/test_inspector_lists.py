"""What the inspector lists: messages of a queue, groups, and some of many dead letters."""

from __future__ import annotations

import pytest

from alsek import Broker, Group, Inspector, Message
from alsek.core.inspection.history import MinuteInfo
from alsek.exceptions import ValidationError
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import HistoryCounts
from tests.contract.workers import Actors


def test_messages_of_a_queue(inspector: Inspector, broker: Broker) -> None:
    """Those of a state and a task, with their arguments, the first ones first."""
    for number, task in enumerate(("mail", "bill", "mail", "mail")):
        broker.submit(Message(task, uuid=f"m{number}", queue="q", args=(number,), priority=9 - number))
    broker.submit(Message("mail", uuid="later", queue="q", delay=60_000))
    assert [info.uuid for info in inspector.messages("q")] == ["m3", "m2", "m1", "m0"]
    mails = inspector.messages("q", "ready", task="mail", most=2)
    assert [(info.uuid, info.task, info.args, info.state) for info in mails] == [
        ("m3", "mail", (3,), "ready"),
        ("m2", "mail", (2,), "ready"),
    ]
    assert [info.uuid for info in inspector.messages("q", "delayed")] == ["later"]
    assert inspector.messages("q", "running") == inspector.messages("never") == []


def test_what_is_asked_for_is_checked(inspector: Inspector) -> None:
    """A state that there is not, and a number that is none, are refused with a sentence."""
    with pytest.raises(ValidationError, match="must be one of 'ready', 'running', 'delayed', 'waiting'"):
        inspector.messages("q", "dead")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="most"):
        inspector.messages("q", most=0)
    with pytest.raises(ValidationError, match="most"):
        inspector.groups(most=0)


def test_groups(inspector: Inspector, broker: Broker) -> None:
    """Those whose members are stored are listed; one by its id is found as long as it is kept."""
    callback = Message("done", uuid="callback")
    Group([Message("t", uuid="one"), Message("t", uuid="two")], callback, id="g").submit(broker)
    broker.submit(Message("t", uuid="alone"))
    (group,) = inspector.groups()
    assert (group.id, group.state, group.total, group.pending, group.callback) == (
        "g",
        "open",
        2,
        2,
        "callback",
    )
    broker.fail("one", ValueError("no"))
    found = inspector.group("g")
    assert found is not None
    assert (found.state, found.failed, found.failed_with, found.pending) == ("failed", 1, "one", 1)
    assert inspector.group("never") is None


def test_only_some_of_many_dead_letters_are_read(inspector: Inspector, broker: Broker) -> None:
    """With `most`, no more are read, alone or in groups."""
    for number in range(5):
        message = Message("t", uuid=f"m{number}")
        broker.submit(message)
        broker.fail(message, ValueError("no"))
    assert len(inspector.dead(most=3)) == 3
    assert [group.count for group in inspector.dead(group=True, most=4)] == [4]
    assert [group.count for group in inspector.dead(group=True)] == [5]


def test_minutes_are_those_of_all_queues(inspector: Inspector, messages: MessagePort, actor: Actors) -> None:
    """Each minute has the counts of all queues and tasks together, also one in which nothing was counted."""
    worker = actor()
    worker.step(
        limit=0,
        history=[
            HistoryCounts("q", "t", "s:9 o:4 f:3 r:2 l:1 w3:5 d3:5 wt:77 dt:88"),
            HistoryCounts("p", "t", "s:1 f:1"),
            HistoryCounts("p", "u", "v:2 x:3"),
        ],
    )
    nothing, present = inspector.minutes(2)
    counts = (
        present.started,
        present.succeeded,
        present.failed,
        present.retried,
        present.lost,
        present.revoked,
    )
    assert (*counts, present.expired) == (10, 4, 4, 2, 1, 2, 3)
    assert present.failed_tasks == {"t": 4}
    assert present.minute == messages.now() // MINUTE_MS * MINUTE_MS
    assert nothing == MinuteInfo(present.minute - MINUTE_MS)
    assert inspector.minutes(1, before=present.minute) == [nothing]
    assert inspector.minutes(1, before=present.minute + 1) == [present]
