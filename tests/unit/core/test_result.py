"""What tasks returned, and waiting for it."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.task import task
from alsek.exceptions import TaskFailedError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.records import ResultRecord, Retried, Succeeded
from alsek.storage.result import ResultStore
from alsek.storage.serialization import JsonSerializer
from tests.clock import Clock
from tests.unit.core.fakes import PATIENCE, Elsewhere, WatchedBackend, a_session, claim


@pytest.fixture
def results(backend: MemoryBackend) -> ResultStore:
    """A store of results on the test's clock."""
    return ResultStore(backend)


@pytest.fixture
def watched() -> WatchedBackend:
    """A store that tells when somebody sleeps on it."""
    return WatchedBackend()


@pytest.mark.parametrize("result", [None, False, 0, "", [], {"a": 1}, 99])
def test_a_result_is_fetched_once(results: ResultStore, result: Any) -> None:
    """Results are deleted once they are fetched, also those that look like nothing."""
    message = Message("t")
    results.set(message, result)
    assert results.exists(message)
    assert results.get(message) == result
    assert not results.exists(message)
    with pytest.raises(KeyError, match=message.uuid):
        results.get(message)


def test_keep(results: ResultStore) -> None:
    """With `keep` the result stays."""
    message = Message("t")
    results.set(message, 1)
    assert results.get(message, keep=True) == results.get(message, keep=True) == 1
    assert results.delete(message) == 1
    assert results.delete(message) == 0


def test_metadata(results: ResultStore, clock: Clock) -> None:
    """The result with its message's uuid and the store's time."""
    message = Message("t")
    results.set(message, [1])
    expected = {"result": [1], "uuid": message.uuid, "timestamp": clock.now}
    assert results.get(message, keep=True, with_metadata=True) == expected
    assert results.get(message, with_metadata=True, descendants=True) == [expected]


def test_missing_without_a_timeout(results: ResultStore) -> None:
    """Not there is a KeyError, and with descendants too: never an empty list."""
    for descendants in (False, True):
        with pytest.raises(KeyError):
            results.get(Message("t"), descendants=descendants)


def test_missing_after_a_timeout(results: ResultStore) -> None:
    """Waited in vain is a TimeoutError that says how long, and with descendants too."""
    for descendants in (False, True):
        for timeout in (0, 1):
            with pytest.raises(TimeoutError, match=f"after {timeout} ms"):
                results.get(Message("t"), timeout=timeout, descendants=descendants)


def test_results_expire(backend: MemoryBackend, clock: Clock) -> None:
    """A day by default; the message's own result_ttl goes first; None keeps for ever."""
    day = 24 * 3_600_000
    assert ResultStore(backend).ttl == day
    store, kept = ResultStore(backend), ResultStore(backend, ttl=None)
    usual, short, long, ever = (
        Message("t"),
        Message("t", result_ttl=10),
        Message("t", result_ttl=2 * day),
        Message("t"),
    )
    for message in (usual, short, long):
        store.set(message, 1)
    kept.set(ever, 1)
    clock.advance(10)
    assert [store.exists(m) for m in (usual, short, long, ever)] == [True, False, True, True]
    clock.advance(day)
    assert [store.exists(m) for m in (usual, short, long, ever)] == [False, False, True, True]
    clock.advance(10**12)
    assert [store.exists(m) for m in (long, ever)] == [False, True]
    for ttl in (0, -1):
        with pytest.raises(ValidationError):
            ResultStore(backend, ttl=ttl)


def test_what_can_not_be_serialized(results: ResultStore) -> None:
    """It is a TypeError, and nothing is stored."""
    message = Message("t")
    with pytest.raises(TypeError):
        results.set(message, object())
    assert not results.exists(message)


def test_a_waiting_get_is_woken_by_the_result(watched: WatchedBackend) -> None:
    """It sleeps without a timer and returns by the write itself."""
    results, message = ResultStore(watched), Message("t")
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    assert watched.asleep.wait(PATIENCE)
    results.set(message, "here")
    assert waiting.value() == "here"
    assert watched.opened[0].waits == 1
    assert watched._store.subscriptions == []


def test_a_waiting_get_is_woken_by_the_completion(watched: WatchedBackend) -> None:
    """So it is when the result comes with the step that completes its message."""
    results, broker, message = ResultStore(watched), Broker(watched), Message("t")
    broker.submit(message)
    session = a_session(watched)
    held = claim(broker, session)
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    assert watched.asleep.wait(PATIENCE)
    assert held.token is not None
    session.step((Succeeded(message.uuid, message.queue, held.token, b"7"),), {})
    assert waiting.value() == 7


def test_a_failed_task_is_told_at_once(watched: WatchedBackend) -> None:
    """With a timeout: the failure ends the wait, with its details; without: there is no result, a KeyError."""
    results, broker, message = ResultStore(watched), Broker(watched), Message("t")
    broker.submit(message)
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    assert watched.asleep.wait(PATIENCE)
    broker.fail(message, ValueError("no good"))
    with pytest.raises(TaskFailedError, match="ValueError: no good") as caught:
        waiting.value()
    assert caught.value.details["name"] == "ValueError"
    with pytest.raises(TaskFailedError):
        results.get(message, timeout=60_000, descendants=True)
    with pytest.raises(KeyError):
        results.get(message)


@pytest.mark.parametrize("descendants", [False, True])
@pytest.mark.parametrize(("deed", "reason"), [("remove", "was removed"), ("revoke", "was revoked")])
def test_a_wait_ends_when_its_message_is_removed_or_revoked(
    watched: WatchedBackend, descendants: bool, deed: str, reason: str
) -> None:
    """No result can come any more: the wait ends with the reason, tracked or not."""
    results, broker, message = ResultStore(watched), Broker(watched), Message("t")
    broker.submit(message)
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000, descendants=descendants))
    assert watched.asleep.wait(PATIENCE)
    getattr(broker, deed)(message)
    with pytest.raises(TaskFailedError, match=reason):
        waiting.value()


def test_a_wait_that_begins_after_the_removal_ends_by_the_status(backend: MemoryBackend) -> None:
    """Of a tracked message the store still knows that it was removed."""
    results, broker, message = ResultStore(backend), Broker(backend), Message("t", status_ttl=-1)
    broker.submit(message)
    broker.remove(message)
    for descendants in (False, True):
        with pytest.raises(TaskFailedError, match="was removed"):
            results.get(message, timeout=60_000, descendants=descendants)


def test_a_held_message_that_is_revoked_may_still_have_a_result(watched: WatchedBackend) -> None:
    """The worker may be quicker than the revocation; so the wait goes on until it has told."""
    results, broker, message = ResultStore(watched), Broker(watched), Message("t")
    broker.submit(message)
    session = a_session(watched)
    held = claim(broker, session)
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000))
    assert watched.asleep.wait(PATIENCE)
    broker.revoke(message)
    assert held.token is not None
    session.step((Succeeded(message.uuid, message.queue, held.token, b"7"),), {})
    assert waiting.value() == 7


class Chain:
    """Three messages that follow each other, run by hand, one step of the store each."""

    def __init__(self, backend: MemoryBackend) -> None:
        self.results, self.broker = ResultStore(backend), Broker(backend)
        self.first, self.middle, self.last = (Message("t", uuid=name) for name in ("first", "middle", "last"))
        self.middle.append_callback(self.last)
        self.first.append_callback(self.middle)
        self.session = a_session(backend)
        self.broker.submit(self.first)

    def end(self, result: bytes | None = b"1", go_on: bool = True) -> None:
        """The next message succeeds; its callback is submitted with that, or not."""
        held = claim(self.broker, self.session)
        callback = held.callback()
        if callback is not None:
            callback.progenitor_uuid = "first"
        submission = callback.submission(JsonSerializer()) if callback is not None and go_on else None
        outcome = Succeeded(
            held.uuid,
            held.queue,
            held.token or 0,
            result,
            progenitor=held.progenitor_uuid,
            callback=submission,
        )
        assert self.session.finish(outcome)

    def wait(self, timeout: int = 60_000) -> Any:
        """All results."""
        return self.results.get(self.first, timeout=timeout, descendants=True)


def test_descendants_are_waited_for(watched: WatchedBackend) -> None:
    """With a timeout the list is given once the last callback has ended, and not before."""
    chain = Chain(watched)
    waiting = Elsewhere(chain.wait)
    assert watched.asleep.wait(PATIENCE)
    for result in (b"1", b"2", b"3"):
        chain.end(result)
    assert waiting.value() == [1, 2, 3]


def test_a_chain_that_is_not_over_in_time(backend: MemoryBackend) -> None:
    """It is a TimeoutError, nothing is deleted, and without a timeout the results so far are given."""
    chain = Chain(backend)
    chain.end()
    with pytest.raises(TimeoutError, match="after 1 ms"):
        chain.wait(timeout=1)
    assert chain.results.get(chain.first, descendants=True, keep=True) == [1]
    chain.end()
    chain.end()
    assert chain.wait() == [1, 1, 1]


@pytest.mark.parametrize("begun", [False, True])
def test_a_chain_that_does_not_go_on_is_over(watched: WatchedBackend, begun: bool) -> None:
    """Its callback was not submitted: the results that there are, whether the wait began before or after."""
    chain = Chain(watched)
    if not begun:
        chain.end(go_on=False)
        assert chain.wait() == [1]
        return
    waiting = Elsewhere(chain.wait)
    assert watched.asleep.wait(PATIENCE)
    chain.end()
    chain.end(b"2", go_on=False)
    assert waiting.value() == [1, 2]


def test_a_callback_that_keeps_no_result_is_passed_over(backend: MemoryBackend) -> None:
    """What a task without a result store leaves out does not end the wait, nor prolong it."""
    chain = Chain(backend)
    chain.end(None)
    chain.end(None)
    with pytest.raises(TimeoutError):
        chain.wait(timeout=1)
    chain.end(b"3")
    assert chain.wait() == [3]


@pytest.mark.parametrize("deed", ["fail", "remove", "revoke"])
def test_a_callback_that_fails_or_is_removed(watched: WatchedBackend, deed: str) -> None:
    """A failure and a revocation are raised, and the results stay; a removal ends the chain."""
    chain = Chain(watched)
    waiting = Elsewhere(chain.wait)
    assert watched.asleep.wait(PATIENCE)
    chain.end()
    getattr(chain.broker, deed)(chain.middle)
    if deed == "remove":
        assert waiting.value() == [1]
        return
    with pytest.raises(TaskFailedError, match="uuid='middle'"):
        waiting.value()
    assert chain.results.get(chain.first) == 1


def test_a_callback_that_existed_already_is_waited_for_as_it_is(backend: MemoryBackend) -> None:
    """The store skips it; the message of its uuid is what there is, and the chain ends with it."""
    chain = Chain(backend)
    chain.broker.submit(Message("t", "other", uuid="middle"))
    chain.end()
    chain.broker.remove(Message("t", "other", uuid="middle"))
    assert chain.wait() == [1]


def test_a_message_in_the_middle_has_the_rest_of_its_chain(backend: MemoryBackend) -> None:
    """Its descendants are its callbacks, though they descend from the first message as well."""
    chain = Chain(backend)
    for result in (b"1", b"2", b"3"):
        chain.end(result)
    assert chain.results.get(chain.middle, timeout=60_000, descendants=True) == [2, 3]
    assert chain.wait() == [1]


def test_a_store_apart_from_its_broker_waits_for_every_result(backend: MemoryBackend) -> None:
    """It can't tell what happens to messages; so a chain is over once each of its results is there."""
    elsewhere = MemoryBackend()
    chain = Chain(backend)
    results = ResultStore(elsewhere)
    task(chain.broker, result_store=results)(lambda: None)
    assert results.apart
    assert not chain.results.apart
    results.set(chain.first, 1)
    results.set(chain.last, 3)
    with pytest.raises(TimeoutError):
        results.get(chain.first, timeout=1, descendants=True)
    results.set(chain.middle, 2)
    assert sorted(results.get(chain.first, timeout=60_000, descendants=True)) == [1, 2, 3]


def test_a_result_that_is_written_before_its_message_ends(backend: MemoryBackend) -> None:
    """A store with a `set` of its own is told first: the chain goes on though its next message is not stored yet."""
    chain = Chain(backend)
    chain.results.set(chain.first, 1)
    with pytest.raises(TimeoutError):
        chain.wait(timeout=1)
    for _ in range(3):
        chain.end()
    assert chain.wait() == [1, 1, 1]


def test_descendants(results: ResultStore, clock: Clock) -> None:
    """The message's own result and those of its descendants, oldest write first; a plain get takes its own alone."""
    message = Message("t")
    children = [Message("c", progenitor_uuid=message.uuid) for _ in range(3)]
    for child in (children[1], children[0]):
        results.set(child, child.uuid)
        clock.advance(1)
    results.set(message, "own")
    clock.advance(1)
    results.set(children[2], children[2].uuid)
    results.set(Message("c", progenitor_uuid="another"), "foreign")
    expected = [children[1].uuid, children[0].uuid, "own", children[2].uuid]
    assert results.get(message, keep=True, descendants=True) == expected
    assert results.get(message, keep=True) == "own"
    assert results.exists(message, descendants=True)
    assert results.delete(message, descendants=True) == 4
    assert not results.exists(message, descendants=True)


def test_writes_of_one_millisecond_keep_their_order(results: ResultStore) -> None:
    """The parent's comes before those that descend from it, which come in the order of writing."""
    message = Message("t")
    results.set(message, "own")
    for number in range(5):
        results.set(Message("c", progenitor_uuid=message.uuid), number)
    assert results.get(message, descendants=True) == ["own", 0, 1, 2, 3, 4]


def test_descendants_wait_for_the_messages_own_result(watched: WatchedBackend) -> None:
    """While the message is in the store its result is still to come, and a list without it would be wrong."""
    results, broker, message = ResultStore(watched), Broker(watched), Message("t")
    broker.submit(message)
    results.set(Message("c", progenitor_uuid=message.uuid), "early")
    with pytest.raises(KeyError):
        results.get(message, descendants=True)
    waiting = Elsewhere(lambda: results.get(message, timeout=60_000, descendants=True))
    assert watched.asleep.wait(PATIENCE)
    results.set(message, "own")
    broker.remove(message)
    # Both were written within a millisecond, which is what a store tells of the order.
    assert sorted(waiting.value()) == ["early", "own"]


def test_descendants_without_an_own_result(results: ResultStore) -> None:
    """Once its own has been fetched, or expired, those of later descendants are told."""
    message = Message("t")
    results.set(message, "own")
    assert results.get(message, descendants=True) == ["own"]
    results.set(Message("c", progenitor_uuid=message.uuid), "later")
    assert results.get(message, descendants=True) == ["later"]


def test_a_completion_in_the_middle_of_a_look_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message and a callback complete after its own result was asked for: the list has both, or is not given."""
    backend = MemoryBackend()
    results, broker, message = ResultStore(backend), Broker(backend), Message("t")
    broker.submit(message)
    port = backend.results
    look = type(port).get

    def and_then_it_completes(self: ResultPort, uuids: list[str]) -> list[ResultRecord | None]:
        found: list[ResultRecord | None] = look(self, uuids)
        monkeypatch.setattr(type(port), "get", look)
        results.set(message, "own")
        broker.remove(message)
        results.set(Message("c", progenitor_uuid=message.uuid), "callback")
        return found

    monkeypatch.setattr(type(port), "get", and_then_it_completes)
    assert results.get(message, timeout=0, descendants=True) == ["own", "callback"]


def test_an_unreadable_result_is_not_deleted(backend: MemoryBackend) -> None:
    """Deletion follows receipt: what can't be read stays."""
    results, message = ResultStore(backend), Message("t")
    backend.results.put(message.uuid, b"\xff")
    with pytest.raises(ValueError, match="codec"):
        results.get(message)
    assert results.exists(message)


def test_an_older_claim_never_replaces_a_newer_result(broker: Broker, results: ResultStore) -> None:
    """A result written under an older token is dropped."""
    broker.submit(Message("t"))
    session = a_session(broker.backend)
    older = claim(broker, session)
    broker.backend.messages.reschedule(Retried(older.uuid, older.queue, 0, 0, 1))
    newer = claim(broker, session)
    results.set(newer, "newer")
    results.set(older, "older")
    assert results.get(newer) == "newer"


def test_which_stores_ride(backend: MemoryBackend) -> None:
    """The stock class on the same store rides with its steps; another store, or a `set` of its own, does not."""

    class Own(ResultStore):
        """With a set of its own."""

        def set(self, message: Message, result: Any) -> None:
            """Nothing."""

    assert ResultStore(backend).is_atomic_with(backend)
    assert not Own(backend).is_atomic_with(backend)
    assert not ResultStore(MemoryBackend()).is_atomic_with(backend)
