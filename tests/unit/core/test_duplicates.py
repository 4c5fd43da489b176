"""What a producer makes of the answers to messages with unique keys."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.broker import Broker
from alsek.core.keys.limits import Concurrency
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.submission.calls import Call
from alsek.core.task import Task, TriggerTask, task
from alsek.core.trigger import ticks
from alsek.exceptions import (
    BackendUnavailableError,
    MessageAlreadyExistsError,
    MessageDoesNotExistsError,
    MessageNotUniqueError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, Added, Submission

HELD = Added(False, "holder", "ready")
REPLACED = Added(True, "holder")


class Scripted:
    """A message port that answers submissions and replays as it is told, and then accepts all."""

    def __init__(self, inner: MessagePort, answers: Sequence[Added | Exception]) -> None:
        self._inner = inner
        self._answers: Iterator[Added | Exception] = chain(answers, repeat(ACCEPTED))
        self.submitted: list[Submission] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        """The next answers."""
        self.submitted += submissions
        return [self._next() for _ in submissions]

    def replay(self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()) -> Added:
        """The next answer."""
        return self._next()

    def _next(self) -> Added:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Store(MemoryBackend):
    """A store in memory with a scripted message port."""

    script: Scripted | None = None

    @property
    def messages(self) -> MessagePort:
        """The scripted port."""
        return self.script or super().messages  # type: ignore[return-value]

    def answers(self, *answers: Added | Exception) -> Scripted:
        """Give these answers from now on."""
        self.script = Scripted(super().messages, answers)
        return self.script


class Noting(Task[..., Any]):
    """Notes the messages for which its hook is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[Message] = []

    def on_submit(self, message: Message) -> None:
        """Called in the producer."""
        self.seen.append(message)


@pytest.fixture
def store() -> Store:
    """A store that answers as it is told."""
    return Store()


def noting(store: Store, conflict: str = "existing", **options: Any) -> Noting:
    """A task with a unique key."""
    unique = Unique("{n}", conflict=conflict)  # type: ignore[arg-type]
    return Noting(lambda n=0: n, Broker(store), name="sync", unique=unique, **options)


def test_a_duplicate_stands_for_the_holder(store: Store) -> None:
    """It has its uuid; nothing was submitted, so neither the hook nor the tracker hear of it."""
    tracker = StatusTracker(MemoryBackend())  # elsewhere: the task sets SUBMITTED itself
    made = noting(store, status_tracker=tracker)
    store.answers(ACCEPTED, HELD, HELD)
    first = made.generate(kwargs={"n": 7})
    again = made.generate(kwargs={"n": 7})
    from_loop = asyncio.run(made.agenerate(kwargs={"n": 7}))
    assert (first.duplicate, again.duplicate, from_loop.duplicate) == (False, True, True)
    assert again.uuid == from_loop.uuid == "holder"
    assert not again.replaced
    assert made.seen == [first]
    assert tracker.get(first) is TaskStatus.SUBMITTED
    assert not tracker.exists("holder")


def test_a_replacement_was_submitted(store: Store) -> None:
    """It has the uuid of the message that it has replaced, and the hook is called."""
    made = noting(store, "replace")
    store.answers(REPLACED, REPLACED)
    replaced = [made.generate(), asyncio.run(made.agenerate())]
    assert [(each.uuid, each.duplicate, each.replaced) for each in replaced] == [("holder", True, True)] * 2
    assert made.seen == replaced


def test_a_replacement_that_is_refused(store: Store) -> None:
    """If only the window is left, there is nothing to replace: it is a duplicate of which nothing was submitted."""
    made = noting(store, "replace")
    store.answers(Added(False, "holder", "finished"))
    message = made.generate()
    assert (message.uuid, message.duplicate, message.replaced) == ("holder", True, False)
    assert made.seen == []


def test_raise_names_the_key_and_the_holder(store: Store) -> None:
    """The message keeps its own uuid, and may be submitted once the holder has ended."""
    made = noting(store, "raise")
    store.answers(HELD, HELD)
    message = made.generate(kwargs={"n": 7}, submit=False)
    for _ in range(2):
        with pytest.raises(MessageNotUniqueError) as caught:
            made.broker.submit(message)
        assert "'holder' holds its unique key 'sync:7'" in str(caught.value)
        assert (caught.value.key, caught.value.holder) == ("sync:7", "holder")
        assert (message.duplicate, message.uuid) == (False, message.uuid)
    made.broker.submit(message)
    store.answers(HELD)
    with pytest.raises(MessageNotUniqueError):
        asyncio.run(made.agenerate())


def test_a_uuid_that_exists_is_another_matter(store: Store) -> None:
    """The message with the key is this one: that is no duplicate, but an error, as ever."""
    made = noting(store)
    store.answers(Added(False, "u", "ready"), Added(False, "u", "finished"))
    for _ in range(2):
        with pytest.raises(MessageAlreadyExistsError):
            made.generate(uuid="u")
    assert made.generate(uuid="u").duplicate is False


def test_a_duplicate_that_is_submitted_again(store: Store) -> None:
    """While the holder is stored, it stays a duplicate; then it is a message as any other."""
    made = noting(store)
    store.answers(HELD, Added(False, "holder", "claimed"), Added(False, "holder", "finished"))
    message = made.generate()
    made.broker.submit(message)
    assert message.duplicate
    with pytest.raises(MessageAlreadyExistsError):
        made.broker.submit(message)
    made.broker.submit(message)
    assert (message.uuid, message.duplicate) == ("holder", False)


def test_many_have_their_duplicates_in_place(store: Store) -> None:
    """So each call has its message, whether it was submitted or not; a uuid that exists is apart, as ever."""
    made = noting(store)
    answers = (ACCEPTED, HELD, Added(False, "u", "ready"), ACCEPTED)
    calls = [Call((1,)), Call((1,)), Call((2,), uuid="u"), Call((3,))]
    for generated in (
        (store.answers(*answers), made.generate_many(calls))[1],
        (store.answers(*answers), asyncio.run(made.agenerate_many(calls)))[1],
    ):
        assert [message.args for message in generated] == [(1,), (1,), (3,)]
        assert [message.duplicate for message in generated] == [False, True, False]
        assert generated[1].uuid == "holder"
        assert [message.uuid for message in generated.existing] == ["u"]
    assert [message.args for message in made.seen] == [(1,), (3,)] * 2


def test_many_that_are_to_raise(store: Store) -> None:
    """It would hide what was submitted: those that are not unique are in `existing`, each as a duplicate."""
    made = noting(store, "raise")
    store.answers(ACCEPTED, HELD)
    generated = made.generate_many([(1,), (1,)])
    assert len(generated) == 1
    assert [(message.uuid, message.duplicate) for message in generated.existing] == [("holder", True)]


def test_submit_many_returns_what_was_not_submitted(store: Store) -> None:
    """Duplicates among them; what has replaced another message was submitted."""
    made = noting(store)
    for submit in (True, False):
        messages = [made.generate(kwargs={"n": n}, submit=False) for n in range(3)]
        store.answers(ACCEPTED, HELD, REPLACED)
        many = (
            made.broker.submit_many(messages) if submit else asyncio.run(made.broker.asubmit_many(messages))
        )
        assert many == [messages[1]]
        assert [message.duplicate for message in messages] == [False, True, True]
        assert [message.replaced for message in messages] == [False, False, True]


def test_options_of_a_call(store: Store) -> None:
    """They go before those of the task; False stands for none."""
    made = noting(store, limits=[Concurrency(2)])
    script = store.answers()
    made.generate()
    made.generate(unique=False, limits=False)
    made.generate(unique=Unique("x{n}", until="started"), limits=Concurrency(3, "{n}"))
    made.using(unique=False).send(1)
    made.generate_many([(1,), Call((1,), unique=Unique("own")), Call((1,), limits=())], unique=False)
    assert [None if each.unique is None else each.unique.text() for each in script.submitted] == [
        "ex0:sync:0",
        None,
        "sx0:sync:x0",
        None,
        None,
        "ex0:sync:own",
        None,
    ]
    assert [[limit.text() for limit in each.limits] for each in script.submitted] == [
        ["c2:task:sync"],
        [],
        ["c3:0"],
        ["c2:task:sync"],
        ["c2:task:sync"],
        ["c2:task:sync"],
        [],
    ]


def test_callbacks_carry_their_own(store: Store) -> None:
    """A chain keeps them for the step in which the callback is submitted."""
    made = noting(store)
    script = store.answers()
    callback = made.generate(kwargs={"n": 2}, limits=Concurrency(1), submit=False)
    made.generate(kwargs={"n": 1}, callback=callback)
    (submission,) = script.submitted
    parent = Message.unpack("u", "q", submission.payload, store.serializer)
    follows = parent.callback()
    assert follows is not None
    assert (follows.unique, follows.limits) == ("ex0:sync:2", "c1:task:sync")
    assert parent.unique == "ex0:sync:1"


def test_lookups_of_a_duplicate_are_about_the_holder(broker: Broker) -> None:
    """Also if that one is in another queue."""
    made = task(broker, name="sync")(lambda: None)
    holder = made.generate(queue="other")
    duplicate = made.generate(submit=False)
    duplicate.uuid, duplicate.duplicate = holder.uuid, True
    assert broker.exists(duplicate)
    assert broker.sync_from_backend(duplicate).queue == "other"
    assert broker.revoke(duplicate)
    assert broker.is_revoked(holder)
    broker.remove(duplicate)
    assert not broker.exists(holder)


def test_a_replay_says_who_holds_the_key(store: Store) -> None:
    """The dead letter stays; a message of its own uuid is another matter."""
    made = noting(store)
    message = made.generate(kwargs={"n": 7})
    made.broker.fail(message)
    store.answers(HELD, HELD, Added(False))
    for given in (message, message.uuid):
        with pytest.raises(
            MessageNotUniqueError, match=r"stays among the dead letters: .*'holder'.*'sync:7'"
        ):
            made.broker.replay(given)
    with pytest.raises(MessageDoesNotExistsError):
        made.broker.replay(message)


def test_an_error_leaves_the_message_as_it_is(store: Store) -> None:
    """So the call may be repeated."""
    made = noting(store)
    store.answers(BackendUnavailableError("away"), HELD)
    message = made.generate(submit=False)
    uuid = message.uuid
    with pytest.raises(BackendUnavailableError):
        made.broker.submit(message)
    assert (message.uuid, message.duplicate) == (uuid, False)
    made.broker.submit(message)
    assert message.duplicate


def test_ticks_of_a_trigger_have_the_key(store: Store) -> None:
    """While the message of an earlier tick has not ended, a tick submits nothing; that is no error."""
    made = TriggerTask(
        lambda: None, Broker(store), name="tick", trigger=IntervalTrigger(days=1), unique=Unique("")
    )
    script = store.answers(ACCEPTED, HELD, ACCEPTED)
    first = made.generate(submit=False)
    messages = [message for message, _ in zip(ticks(first), range(3), strict=False)]
    for message in messages:
        made.broker.submit(message)
    assert [each.unique and each.unique.key for each in script.submitted] == ["tick:"] * 3
    assert [message.duplicate for message in messages] == [False, True, False]


def test_copies_of_a_duplicate(store: Store) -> None:
    """A clone, and what is unpickled, is a message of the same uuid; whether it is a duplicate is not part of it."""
    made = noting(store)
    store.answers(HELD)
    message = made.generate()
    for copy in (message.clone(), pickle.loads(pickle.dumps(message))):
        assert (copy, copy.uuid, copy.duplicate) == (message, "holder", False)
