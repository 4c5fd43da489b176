"""What follows a failure, as users have it: failure callbacks, and waiters for callbacks that will not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from alsek import Broker, Consumer, Group, Message, Middleware, ResultStore, TaskFailedError, task
from alsek.core.unreachable import MOST_UNREACHABLE
from alsek.storage.backends.abstract import Backend
from tests.contract.draining import drain


class Naming(Middleware):
    """Puts a name into the metadata of what is submitted."""

    def submitting(self, message: Message) -> None:
        """Add it."""
        message.metadata = "named"


@pytest.fixture
def shop(backend: Backend) -> SimpleNamespace:
    """Tasks of a store, and what runs them."""
    broker = Broker(backend, middleware=[Naming()])
    result_store = ResultStore(backend)

    @task(broker, result_store=result_store, max_retries=0)
    def broken() -> None:
        raise ValueError("no")

    @task(broker, result_store=result_store)
    def fine(message: Message) -> Any:
        return message.previous_failure

    def run() -> None:
        drain(broker, broken, fine)

    return SimpleNamespace(
        backend=backend, broker=broker, result_store=result_store, broken=broken, fine=fine, run=run
    )


def by_hand(shop: SimpleNamespace, message: Message) -> None:
    """Failed by its uuid."""
    shop.broker.fail(message.uuid, RuntimeError("by hand"))


def by_a_stub(shop: SimpleNamespace, message: Message) -> None:
    """Failed by an object that only names it."""
    shop.broker.fail(Message(message.task_name, message.queue, uuid=message.uuid), RuntimeError("by hand"))


def by_its_holder(shop: SimpleNamespace, message: Message) -> None:
    """Failed by a consumer that has claimed it."""
    with Consumer(shop.broker) as consumer:
        claimed = next(consumer.stream())
        assert claimed.uuid == message.uuid
        shop.broker.fail(claimed, RuntimeError("by hand"))


def by_its_task(shop: SimpleNamespace, message: Message) -> None:
    """Its task raises."""
    shop.run()


def by_revocation(shop: SimpleNamespace, message: Message) -> None:
    """Revoked before it was run."""
    shop.broker.revoke(message)


def without_a_task(shop: SimpleNamespace, message: Message) -> None:
    """Nobody has its task."""
    drain(shop.broker, shop.fine)


WAYS = {
    by_hand: "RuntimeError: by hand",
    by_a_stub: "RuntimeError: by hand",
    by_its_holder: "RuntimeError: by hand",
    by_its_task: "ValueError: no",
    by_revocation: "MessageRevokedError: ",
    without_a_task: "UnknownTaskError: ",
}


@pytest.mark.parametrize(("way", "why"), WAYS.items(), ids=[way.__name__ for way in WAYS])
def test_a_failure_callback_follows_each_end(
    shop: SimpleNamespace, way: Callable[[SimpleNamespace, Message], None], why: str
) -> None:
    """It has how and why, and who failed; who waits for the callback of that one is told."""
    on_failure = shop.fine.generate(submit=False, callback=shop.fine.generate(submit=False))
    callback = shop.fine.generate(submit=False)
    message = shop.broken.generate(failure_callback=on_failure, callback=callback)
    way(shop, message)
    shop.run()
    failure = shop.result_store.get(on_failure, timeout=0)
    assert f"{failure['name']}: {failure['text']}".rpartition("exceptions.")[2].startswith(why)
    assert (failure["uuid"], failure["task"]) == (message.uuid, "broken")
    assert set(failure) == {"name", "text", "traceback", "uuid", "task"}
    if why.startswith("ValueError"):
        assert "raise ValueError" in failure["traceback"]
    (after,) = on_failure.descendant_uuids
    assert shop.result_store.get(after, timeout=0) is None  # it has followed
    with pytest.raises(TaskFailedError, match=f"will not be submitted, since .* '{message.uuid}'") as caught:
        shop.result_store.get(callback, timeout=60_000)
    assert caught.value.details["name"] == failure["name"]


def test_a_success_has_no_failure_callback(shop: SimpleNamespace) -> None:
    """Nothing is submitted, whatever the message has been through."""
    on_failure = shop.fine.generate(submit=False)
    message = shop.fine.generate(failure_callback=on_failure)
    shop.run()
    assert shop.result_store.exists(message)
    assert not shop.broker.exists(on_failure)
    assert not shop.result_store.exists(on_failure)


def test_a_failure_callback_is_kept_in_a_chain_and_through_a_replay(shop: SimpleNamespace) -> None:
    """Each message of a chain has its own; a message that is replayed and fails again submits it, if it is new."""
    on_failure = shop.fine.generate(submit=False)
    second = shop.broken.generate(submit=False, failure_callback=on_failure)
    third = shop.fine.generate(submit=False)
    shop.fine.generate(callback=(second, third))
    shop.run()
    assert shop.result_store.get(on_failure, timeout=0)["uuid"] == second.uuid
    with pytest.raises(TaskFailedError, match=second.uuid):
        shop.result_store.get(third, timeout=60_000)
    shop.broker.replay(second)
    assert shop.backend.results.failed_parents([third.uuid]) == [None]
    shop.run()
    assert shop.backend.results.failed_parents([third.uuid]) == [second.uuid]


def test_a_failure_callback_is_submitted_with_middleware(shop: SimpleNamespace) -> None:
    """As other messages are."""
    on_failure = shop.fine.generate(submit=False)
    shop.broken.generate(failure_callback=on_failure)
    drain(shop.broker, shop.broken, most=1)
    assert shop.broker.sync_from_backend(on_failure).metadata == "named"


def test_all_of_a_group_that_will_not_come(shop: SimpleNamespace) -> None:
    """Its id, its callback and its members: who waits for one of these is told."""
    group = Group([shop.fine.generate(submit=False)], callback=shop.fine.generate(submit=False))
    message = shop.broken.generate(callback=(shop.fine.generate(submit=False), group))
    shop.run()
    for awaited in (group, group.callback, group.members[0]):
        with pytest.raises(TaskFailedError, match=f"before it, '{message.uuid}', has failed: ValueError: no"):
            shop.result_store.get(awaited, timeout=60_000)


def test_all_that_would_have_followed_is_noted(shop: SimpleNamespace) -> None:
    """Groups after groups, and callbacks of members."""

    def fine(**options: Any) -> Message:
        return shop.fine.generate(submit=False, **options)

    last, third = Group([fine()]), Group([fine()])
    member = fine(callback=last)
    second = Group([member], callback=fine(callback=third))
    first = fine()
    message = shop.broken.generate(callback=(first, second))
    shop.run()
    for awaited in (first, second, member, last, third, last.members[0]):
        with pytest.raises(TaskFailedError, match=f"before it, '{message.uuid}', has failed: ValueError: no"):
            shop.result_store.get(awaited, timeout=0)
    shop.broker.replay(message)
    assert shop.backend.results.failed_parents([third.id, last.id]) == [None, None]


def test_messages_may_have_one_failure_callback(shop: SimpleNamespace) -> None:
    """It follows the first that fails; that the others will not be run is not said of it."""
    on_failure = shop.fine.generate(submit=False)
    callback = shop.fine.generate(submit=False, failure_callback=on_failure)
    message = shop.broken.generate(callback=callback, failure_callback=on_failure)
    drain(shop.broker, shop.broken, most=1)
    assert shop.backend.results.failed_parents([callback.uuid, on_failure.uuid]) == [message.uuid, None]
    shop.run()
    assert shop.result_store.get(on_failure, timeout=0)["uuid"] == message.uuid


def test_what_was_before_is_named_without_a_dead_letter(shop: SimpleNamespace) -> None:
    """A group that was revoked; a message whose dead letter is deleted."""
    group = Group([shop.fine.generate(submit=False)], callback=shop.fine.generate(submit=False))
    group.submit()
    group.revoke()
    with pytest.raises(TaskFailedError, match=f"since the group before it, '{group.id}', was revoked$"):
        shop.result_store.get(group.callback, timeout=60_000)
    callback = shop.fine.generate(submit=False)
    message = shop.broken.generate(callback=callback)
    shop.run()
    shop.backend.messages.purge(message.queue)
    with pytest.raises(TaskFailedError, match=f"since '{message.uuid}' before it has failed or was revoked"):
        shop.result_store.get(callback, timeout=60_000)


def test_who_waits_for_a_callback_and_those_after_it_is_told(shop: SimpleNamespace) -> None:
    """Also with `descendants`, whether he begins to wait before or after the failure."""
    callback = shop.fine.generate(submit=False, callback=shop.fine.generate(submit=False))
    message = shop.broken.generate(callback=callback)
    waiting = ThreadPoolExecutor(1)
    told = waiting.submit(shop.result_store.get, callback, timeout=60_000, descendants=True)
    time.sleep(0.1)
    shop.run()
    for get in (told.result, lambda: shop.result_store.get(callback, timeout=60_000, descendants=True)):
        with pytest.raises(TaskFailedError, match=f"before it, '{message.uuid}', has failed: ValueError: no"):
            get()
    waiting.shutdown()


def test_only_the_next_of_very_many_callbacks_are_noted(shop: SimpleNamespace) -> None:
    """A thousand of them; a failure does not read more of a long chain."""
    chain = tuple(shop.fine.generate(submit=False) for _ in range(MOST_UNREACHABLE + 50))
    message = shop.broken.generate(callback=chain)
    shop.run()
    noted = shop.backend.results.failed_parents([each.uuid for each in chain])
    assert noted == [message.uuid] * MOST_UNREACHABLE + [None] * 50
