"""Submitting groups: again after an error, without blocking, and with all that surrounds other submissions."""

from __future__ import annotations

import asyncio
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from alsek import (
    Broker,
    Group,
    GroupFailedError,
    MemoryBackend,
    Message,
    Middleware,
    ResultStore,
    StatusTracker,
    Task,
    TaskStatus,
    Unique,
    task,
)
from alsek.exceptions import BackendUnavailableError, MessageAlreadyExistsError
from tests.contract.draining import drain


class Naming(Middleware):
    """Puts a name into the metadata of what is submitted."""

    def submitting(self, message: Message) -> None:
        """Add it."""
        message.metadata = {"who": "me", "times": (message.metadata or {}).get("times", 0) + 1}


class Hearing(Task[..., Any]):
    """Writes down what was submitted."""

    submitted: list[str]

    def on_submit(self, message: Message) -> None:
        """Write it down."""
        self.submitted.append(message.uuid)


@pytest.fixture
def shop() -> SimpleNamespace:
    """A task with a hook, middleware, and a tracker in another store."""
    backend = MemoryBackend()
    broker = Broker(backend, middleware=[Naming()])
    tracker = StatusTracker(MemoryBackend())

    @task(broker, base_task=Hearing, status_tracker=tracker)
    def square(n: int) -> int:
        return n * n

    square.submitted = []
    messages = [square.generate((n,), submit=False) for n in range(450)]
    return SimpleNamespace(
        backend=backend,
        broker=broker,
        tracker=tracker,
        square=square,
        messages=messages,
        results=ResultStore(backend),
        group=Group(messages, callback=square.generate((0,), submit=False)),
    )


class Failing:
    """Lets every other call fail, before it has done anything or after it has done all."""

    def __init__(self, shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        for port, name in ((shop.backend.groups, "create"), (shop.backend.messages, "add")):
            monkeypatch.setattr(port, name, self._wrapped(getattr(port, name)))

    def _wrapped(self, method: Any) -> Any:
        def failing(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls % 4 == 1:
                raise BackendUnavailableError("away")
            answer = method(*arguments)
            if self.calls % 4 == 3:
                raise BackendUnavailableError("the answer was lost")
            return answer

        return failing


@pytest.mark.parametrize("blocking", [True, False])
def test_a_submission_is_repeated_after_an_error(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, blocking: bool
) -> None:
    """What the store has is not submitted again, whether or not its answer was lost; hooks are called once."""
    Failing(shop, monkeypatch)
    errors = 0
    while True:
        try:
            if blocking:
                shop.group.submit()
            else:
                asyncio.run(shop.group.asubmit())
            break
        except BackendUnavailableError:
            errors += 1
    assert errors >= 3
    assert shop.square.submitted == [message.uuid for message in shop.messages]
    assert shop.backend.messages.count("alsek_queue") == 450
    assert {shop.tracker.get(message) for message in shop.messages} == {TaskStatus.SUBMITTED}
    assert {message.metadata["times"] for message in (*shop.messages, shop.group.callback)} == {1}
    drain(shop.broker, shop.square)
    assert shop.results.get(shop.group, timeout=0) == [n * n for n in range(450)]


def test_what_a_coroutine_does_with_a_group(shop: SimpleNamespace) -> None:
    """`asubmit`, `aprogress`, `arevoke` and `aget` are the synchronous ones, on the loop."""

    async def use() -> None:
        await shop.group.asubmit()
        assert (await shop.group.aprogress()).pending == 450
        waiting = asyncio.ensure_future(shop.results.aget(shop.group, timeout=60_000))
        await asyncio.sleep(0)
        assert await shop.group.arevoke()
        with pytest.raises(GroupFailedError, match="was revoked"):
            await waiting

    asyncio.run(use())


def test_a_member_that_is_not_new(shop: SimpleNamespace) -> None:
    """The group can't be counted: what was submitted of it is revoked, and the error says why, each time."""
    first = shop.square.generate((1,), uuid="taken")
    group = Group([*shop.messages[:3], shop.square.generate((1,), submit=False, uuid="taken")])
    for _ in range(2):
        with pytest.raises(MessageAlreadyExistsError, match=r"is revoked: .*'taken'"):
            group.submit()
    record = shop.backend.groups.get(group.id)
    assert record is not None
    assert record.state == "revoked"
    assert shop.broker.exists(first)


def test_a_name_that_another_group_has(shop: SimpleNamespace) -> None:
    """Two groups of one id: the second is refused."""
    Group(shop.messages[:1], id="nightly").submit()
    with pytest.raises(MessageAlreadyExistsError, match="nightly"):
        Group(shop.messages[1:2], id="nightly").submit()


def test_the_answer_is_awaited(shop: SimpleNamespace) -> None:
    """Without a timeout, and with one that is too short, it is said that the group has not ended."""
    with pytest.raises(KeyError, match="has not ended"):
        shop.results.get(shop.group)
    shop.group.submit()
    with pytest.raises(KeyError, match="has not ended"):
        shop.results.get(shop.group)
    with pytest.raises(TimeoutError, match="after 0 ms"):
        shop.results.get(shop.group, timeout=0)
    for odd in ({"with_metadata": True}, {"descendants": True}):
        with pytest.raises(ValueError, match="neither metadata nor descendants"):
            shop.results.get(shop.group, **odd)


def test_results_are_built_by_a_type(shop: SimpleNamespace) -> None:
    """The type is that of the whole list."""
    group = Group(shop.messages[100:102])
    group.submit()
    drain(shop.broker, shop.square)
    assert shop.results.get(group, type=tuple[int, ...]) == (10_000, 10_201)
    with pytest.raises(ValueError, match="do not fit their type"):
        shop.results.get(group, type=list[TaskStatus])


def test_members_can_be_pickled(shop: SimpleNamespace) -> None:
    """A deferred message knows its task, which does not travel."""
    message = shop.messages[0]
    assert message.origin is shop.square
    assert pickle.loads(pickle.dumps(message)).origin is None
    assert message.clone() == message


def test_members_with_unique_keys(shop: SimpleNamespace) -> None:
    """A key that another message holds makes the group impossible; one that replaces its holder counts as a member."""
    holder = shop.square.generate((1,), unique=Unique("a"))
    refused = Group([shop.square.generate((2,), submit=False, unique=Unique("a"))])
    with pytest.raises(MessageAlreadyExistsError, match=f"'{holder.uuid}' holds its unique key"):
        refused.submit()
    taken = Group([shop.square.generate((3,), submit=False, unique=Unique("a", conflict="replace"))])
    taken.submit()
    assert taken.members[0].uuid == holder.uuid
    drain(shop.broker, shop.square)
    assert shop.results.get(taken) == [9]
    assert taken.progress() == (1, 1, 0, 0, 0)
