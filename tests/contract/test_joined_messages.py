"""The callback of a group: what it is given, when that is read, and what is stored of it."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from alsek import Broker, Consumer, Group, Message, ResultStore, Retry, task
from alsek.exceptions import MessageDoesNotExistsError
from alsek.storage.backends.abstract import Backend
from tests.contract.draining import drain


@pytest.fixture
def shop(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A task, and a count of how often the store is asked for members."""
    broker = Broker(backend)
    reads: list[tuple[Any, ...]] = []
    members = backend.groups.members

    def watched(*arguments: Any) -> Any:
        reads.append(arguments)
        return members(*arguments)

    monkeypatch.setattr(backend.groups, "members", watched)

    @task(broker)
    def number(n: int) -> int:
        return n

    def joined(count: int, callback: Message) -> Group:
        group = Group([number.generate((n,), submit=False) for n in range(count)], callback=callback)
        group.submit()
        drain(broker, number, most=count)
        return group

    return SimpleNamespace(backend=backend, broker=broker, number=number, reads=reads, joined=joined)


def test_results_are_read_when_they_are_asked_for(shop: SimpleNamespace) -> None:
    """In pieces, once; a callback that does not ask costs nothing, nor does one that is shown or copied."""
    group = shop.joined(1_200, Message("by_hand"))
    with Consumer(shop.broker) as consumer:
        message = next(consumer.stream())
        assert message.uuid == group.callback.uuid
        assert "previous_result=None" in repr(message)
        assert message.clone() == message == pickle.loads(pickle.dumps(message))
        assert shop.reads == []
        assert message.previous_result == list(range(1_200))
        assert message.group_failures == []
        assert message.previous_result == list(range(1_200))
        assert [first for _, first, _ in shop.reads] == [0, 500, 1_000]
        assert pickle.loads(pickle.dumps(message)).previous_result == list(range(1_200))
        message.previous_result = "mine"
        assert message.previous_result == "mine"
        shop.broker.ack(message)


def test_a_callback_that_is_retried_reads_them_again(shop: SimpleNamespace) -> None:
    """Its payload stays small: the results are never written into it, by a retry of the task or by hand."""
    seen: list[Any] = []

    @task(shop.broker, max_retries=3, backoff=None)
    def reduce(message: Message) -> None:
        seen.append(message.previous_result)
        if len(seen) < 3:
            raise Retry(delay=0)

    group = shop.joined(3, reduce.generate(submit=False))
    before = shop.broker.sync_from_backend(group.callback)
    with Consumer(shop.broker) as consumer:
        message = next(consumer.stream())
        assert message.previous_result == [0, 1, 2]
        message.metadata = "changed"
        shop.broker.retry(message)
    stored = shop.broker.sync_from_backend(group.callback)
    assert (stored.metadata, stored.previous_result, before.previous_result) == ("changed", None, None)
    drain(shop.broker, reduce)
    assert seen == [[0, 1, 2]] * 3
    assert not shop.broker.exists(group.callback)


def test_a_callback_that_is_replayed_reads_them_again(shop: SimpleNamespace) -> None:
    """As long as its group is kept."""
    seen: list[Any] = []

    @task(shop.broker, max_retries=0)
    def reduce(message: Message) -> None:
        seen.append(message.previous_result)
        raise ValueError

    group = shop.joined(3, reduce.generate(submit=False))
    drain(shop.broker, reduce)
    assert shop.broker.in_dlq(group.callback)
    shop.broker.replay(group.callback)
    drain(shop.broker, reduce)
    assert seen == [[0, 1, 2]] * 2


def test_a_group_that_is_gone(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback is told so, when it asks."""
    shop.joined(1, Message("by_hand"))
    with Consumer(shop.broker) as consumer:
        message = next(consumer.stream())
        monkeypatch.setattr(shop.backend.groups, "get", lambda group: None)
        with pytest.raises(MessageDoesNotExistsError, match="its ttl is over"):
            assert message.previous_result
        shop.broker.ack(message)


def test_results_with_a_store_of_their_own(shop: SimpleNamespace) -> None:
    """A member's result store makes no difference to its group."""
    results = ResultStore(shop.backend)

    @task(shop.broker, result_store=results)
    def kept(n: int) -> int:
        return n

    group = Group([kept.generate((5,), submit=False), shop.number.generate((6,), submit=False)])
    group.submit()
    drain(shop.broker, kept, shop.number)
    assert results.get(group) == [5, 6]
    assert results.get(group.members[0]) == 5
    assert results.get(group) == [5, 6]
