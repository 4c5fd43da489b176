"""What `generate_many` accepts, refuses and leaves undone (tests/contract/test_generate_many.py: that all arrives)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.submission.calls import Call
from alsek.core.task import Task, task
from alsek.exceptions import (
    ArgumentsError,
    BackendUnavailableError,
    EventLoopError,
    SchedulingError,
    SerializationError,
    ValidationError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import ACCEPTED, Added, Submission


def test_a_deferred_call_submits_nothing(broker: Broker) -> None:
    """One `defer()` stands for one call, however many messages that makes; so does `submit=False`."""
    made = task(broker)(lambda n: n)
    deferred = made.defer()
    kept_back = deferred.generate_many([(1,), (2,)])
    assert [message.args for message in kept_back] == [(1,), (2,)]
    assert not deferred.deferred
    assert len(made.generate_many(iter([(3,)]), submit=False, ttl=5)) == 1
    assert broker.backend.messages.queues() == []
    assert broker.submit_many(kept_back) == []
    assert broker.backend.count("queues:alsek_queue") == 2
    assert len(made.generate_many([(4,)])) == 1
    assert broker.backend.count("queues:alsek_queue") == 3


@pytest.mark.parametrize("submit", [True, False])
def test_a_deferral_is_used_up_by_a_refused_call(broker: Broker, submit: bool) -> None:
    """Also what was not to be submitted yet is refused at once, and leaves no `defer()` behind."""
    deferred = task(broker, name="pay")(lambda n: n).defer()
    with pytest.raises(SerializationError, match="call 1 of pay") as caught:
        deferred.generate_many(iter([(1,), (object(),)]), submit=submit)
    assert "ubmitted" not in str(caught.value)
    assert not deferred.deferred


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (7, r"7 is neither a tuple .* nor a dict .* nor a Call; .*: \(7,\)"),
        ("abc", r"a tuple of one: \('abc',\)"),
        (None, "None is neither"),
        (Message("add"), "is a message already"),
        (Call("abc"), "args='abc'"),  # type: ignore[arg-type]
        (Call(kwargs=[1]), r"kwargs=\[1\]"),  # type: ignore[arg-type]
        (Call(priority=-1), "priority=-1"),
        (Call(uuid="white space"), "white space"),
        (Call((1,), callback="next"), "callback='next'"),  # type: ignore[arg-type]
        (Call(ttl=0), "ttl=0"),
    ],
    ids=["int", "str", "None", "Message", "args", "kwargs", "priority", "uuid", "callback", "ttl"],
)
def test_what_is_no_call_is_refused(broker: Broker, given: Any, sentence: str) -> None:
    """The sentence says which call it was, and what a call is."""
    with pytest.raises(ValidationError, match=f"call 1 of add.*{sentence}"):
        task(broker, name="add")(lambda n: n).generate_many([(1,), given])
    assert broker.backend.messages.queues() == []


@pytest.mark.parametrize(
    "options", [{"priority": -1}, {"delay": "soon"}, {"queue": "white space"}, {"ttl": 0}], ids=str
)
def test_options_of_all_are_checked(broker: Broker, options: dict[str, Any]) -> None:
    """What is said for all is checked as for one."""
    with pytest.raises(ValidationError, match="call 0"):
        task(broker)(lambda n: n).generate_many([(1,)], **options)


def test_the_order_of_arguments_is_that_of_the_caller(broker: Broker) -> None:
    """Rows of any tuple class are positional arguments, and what a mapping has later does not reach the message."""

    class Row(NamedTuple):
        """As a database has them."""

        a: int
        b: int

    given = {"a": 1}
    first, second = task(broker)(lambda a, b=0: None).generate_many([Row(1, 2), given])
    given["a"] = 2
    assert type(first.args) is tuple
    assert first.args == (1, 2)
    assert second.kwargs == {"a": 1}


def test_a_task_with_a_trigger_makes_no_many(broker: Broker) -> None:
    """It makes one message a tick, and says so."""
    hourly = task(broker, name="hourly", trigger=IntervalTrigger(hours=1))(lambda: None)
    with pytest.raises(SchedulingError, match="'hourly' has a trigger: each tick makes one message"):
        hourly.generate_many([()])
    assert not hourly.generated


def test_one_callback_follows_one_message(broker: Broker) -> None:
    """The same callback for two calls would be skipped the second time: it is refused, also deep in a chain."""
    made = task(broker, name="add")(lambda n: n)
    last = made.generate((1,), submit=False)
    middle = made.generate((1,), submit=False, callback=last)
    with pytest.raises(ValidationError, match=r"call 1 of add.*callback is that of an earlier call"):
        made.generate_many([Call((1,), callback=last), Call((1,), callback=middle)])
    assert broker.backend.messages.queues() == []


def test_the_hook_is_called_for_each(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """`on_submit` hears of each that was submitted; one that fails for one is logged, and hears of the rest."""
    seen: list[int] = []

    class Custom(Task[..., Any]):
        """With a hook that fails once."""

        def on_submit(self, message: Message) -> None:
            seen.append(message.args[0])
            if message.args[0] == 1:
                raise RuntimeError("the hook is broken")

    made = task(broker, base_task=Custom)(lambda n: n)
    assert len(made.generate_many((n,) for n in range(3))) == 3
    made.generate_many([(3,)], submit=False)
    assert seen == [0, 1, 2]
    assert "the hook is broken" in caplog.text


def test_a_failing_tracker_does_not_look_like_a_failed_submission(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The messages are in the store: that their status can't be told is logged."""

    class Broken(StatusTracker):
        """Fails."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            raise RuntimeError("no tracker")

    made = task(broker, status_tracker=Broken(MemoryBackend()))(lambda n: n)
    assert all(broker.exists(message) for message in made.generate_many([(1,), (2,)]))
    assert caplog.text.count("RuntimeError: no tracker") == 2


def test_with_uuids_of_its_own_a_call_can_be_repeated(backend: MemoryBackend) -> None:
    """After a failure half-way the same call submits the rest, and tells what was there already."""

    class Failing(Broker):
        """On a store that is away for a while."""

        pieces = 0

        def submit_packed(self, submissions: Any) -> list[Added]:
            self.pieces += 1
            if self.pieces == 2:
                raise BackendUnavailableError("away")
            return super().submit_packed(submissions)

    made = task(Failing(backend))(lambda n: n)
    calls = [Call((n,), uuid=f"u{n}") for n in range(500)]
    with pytest.raises(BackendUnavailableError):
        made.generate_many(calls)
    assert backend.count("queues:alsek_queue") == 200
    again = made.generate_many(calls)
    assert [message.uuid for message in again.existing] == [f"u{n}" for n in range(200)]
    assert [message.uuid for message in again] == [f"u{n}" for n in range(200, 500)]
    assert backend.count("queues:alsek_queue") == 500


def test_a_message_given_twice_is_submitted_once(broker: Broker) -> None:
    """To `submit_many` the same message twice is one; another of its uuid is told of."""
    message, other = Message("t", uuid="u"), Message("t", uuid="u")
    assert broker.submit_many([message, other, message]) == [other]
    assert broker.backend.count("queues:alsek_queue") == 1


def test_packed_messages_are_answered_one_by_one(broker: Broker) -> None:
    """`submit_packed` returns the answer to each message."""
    submissions: list[Submission] = [
        Message("t", uuid=uuid).submission(broker.backend.serializer) for uuid in "aba"
    ]
    assert broker.submit_packed(submissions) == [ACCEPTED, ACCEPTED, Added(False, "a", "ready")]
    assert broker.submit_packed([]) == []


def test_what_holds_no_calls_is_refused(broker: Broker) -> None:
    """An asynchronous iterable too: the text says how to turn it into a list."""
    made = task(broker, name="pay")(lambda n: n)

    async def calls() -> AsyncIterator[tuple[int]]:
        yield (1,)

    given: Any
    for given in (7, None, calls()):
        with pytest.raises(ArgumentsError, match=r"^calls=.* of pay.generate_many\(\): must be a list"):
            made.generate_many(given)
        with pytest.raises(ArgumentsError, match=r"^calls=.* of pay.generate_many\(\): must be a list"):
            asyncio.run(made.agenerate_many(given))
    with pytest.raises(ArgumentsError, match=r"\[call async for call in …\]$"):
        made.generate_many(given)


def test_an_asynchronous_method_without_an_event_loop_says_what_to_do(broker: Broker) -> None:
    """Those that return an asynchronous iterator meet this when they are called."""
    with pytest.raises(EventLoopError, match="without the `a`"):
        broker.adead_letters("queue")
    with pytest.raises(EventLoopError, match="without the `a`"):
        StatusTracker(broker.backend).alisten("uuid")
