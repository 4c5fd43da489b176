"""A new message of a uuid that the caller chose replaces the old one: nothing of that is left."""

from __future__ import annotations

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker
from alsek.core.task import task
from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import MessageAlreadyExistsError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, TaskStatus
from alsek.storage.result import ResultStore
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actor,
    Actors,
    a_message,
    a_request,
    add,
    died,
    replay,
    result_of,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def _leave_everything(backend: Backend, worker: Actor, uuid: str = "a") -> None:
    """An old message of this uuid: a result, a final status, a dead letter, and a descendant with a result."""
    add(backend, a_message(uuid))
    (claimed,) = (claim for claim in worker.claim() if claim.uuid == uuid)
    worker.step(died(claimed), limit=0)
    backend.results.put(uuid, b"old", token=claimed.token, progenitor="root")
    backend.results.put(f"child of {uuid}", b"old", progenitor=uuid)


def _is_left(backend: Backend, uuid: str = "a") -> tuple[bool, ...]:
    return (
        result_of(backend, uuid) is not None,
        backend.messages.dead_letter("q", uuid) is not None,
        status_of(backend, uuid) is TaskStatus.FAILED,
        backend.results.descendants(uuid) != [],
    )


ALL = (True, True, True, True)
NOTHING = (False, False, False, False)


@pytest.mark.parametrize("fields", [{}, {"delay": 1_000}, {"status_ttl": 0}, {"ttl": 1_000, "priority": 3}])
@pytest.mark.parametrize("many", [False, True])
def test_nothing_is_left_of_the_old_one(
    backend: Backend, store: Store, actor: Actors, fields: dict[str, int], many: bool
) -> None:
    """The step that stores the new message removes result, status, dead letter and descendants of the old one."""
    _leave_everything(backend, actor())
    assert _is_left(backend) == ALL
    store.advance(DEDUP_WINDOW)
    names = ["x", "a", "y"] if many else ["a"]
    assert all(add(backend, *(a_message(name, named=True, **fields) for name in names)))
    assert _is_left(backend) == NOTHING
    assert backend.messages.dead_queues() == []
    assert backend.results.descendants("root") == []
    assert status_of(backend, "a") == (None if fields.get("status_ttl") == 0 else TaskStatus.SUBMITTED)
    assert state_of(backend, "a") == ("delayed" if "delay" in fields else "ready")
    assert result_of(backend, "child of a") == b"old"


def test_the_new_one_has_a_life_of_its_own(backend: Backend, store: Store, actor: Actors) -> None:
    """Result, descendants and dead letter of the new message are its own, also under an older token's name."""
    worker = actor()
    _leave_everything(backend, worker)
    store.advance(DEDUP_WINDOW)
    add(backend, a_message("a", named=True))
    backend.results.put("a", b"by hand")
    backend.results.put("new child", b"new", progenitor="a")
    assert result_of(backend, "a") == b"by hand"
    assert uuids(backend.results.descendants("a")) == ["new child"]
    assert backend.results.descendants("root") == []
    worker.step(died(worker.claim_one()), limit=0)
    assert uuids(backend.messages.dead_letters("q")) == ["a"]


def test_a_repeated_call_removes_nothing(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A call repeated after a lost reply leaves what its message has come to meanwhile."""
    worker, request = actor(), a_request()
    for outcome in (succeeded, died):
        message = a_message(outcome.__name__, named=True)
        assert messages.add([message], request) == [ACCEPTED]
        worker.step(outcome(worker.claim_one()), limit=0)  # type: ignore[operator]
    for _ in range(2):
        assert messages.add([a_message("succeeded", named=True)], request) == [ACCEPTED]
        assert messages.add([a_message("x"), a_message("died", named=True)], request) == [ACCEPTED, ACCEPTED]
    assert result_of(backend, "succeeded") == b"result"
    assert status_of(backend, "succeeded") is TaskStatus.SUCCEEDED
    assert messages.dead_letter("q", "died") is not None
    assert status_of(backend, "died") is TaskStatus.FAILED


def test_a_call_repeated_after_a_removal_by_hand_removes_nothing(
    backend: Backend, messages: MessagePort
) -> None:
    """Neither does one whose message was buried by hand meanwhile."""
    request = a_request()
    messages.add([a_message("a", named=True)], request)
    messages.fail("q", "a", ERROR, DLQ_TTL)
    assert messages.add([a_message("a", named=True)], request) == [ACCEPTED]
    assert messages.dead_letter("q", "a") is not None
    assert status_of(backend, "a") is TaskStatus.FAILED


def test_a_refused_submission_removes_nothing(backend: Backend, actor: Actors) -> None:
    """What is not new leaves everything as it is: while the message lives, and for the window after its end."""
    _leave_everything(backend, actor())
    assert add(backend, a_message("a", named=True)) == [False]
    assert add(backend, a_message("x", named=True), a_message("a", named=True)) == [True, False]
    assert _is_left(backend) == ALL


def test_after_a_burial_by_hand_it_is_replaced_at_once(backend: Backend, messages: MessagePort) -> None:
    """A message that was failed by hand may be submitted again at once; its dead letter is removed then."""
    add(backend, "a")
    messages.fail("q", "a", ERROR, DLQ_TTL)
    assert add(backend, a_message("a", named=True)) == [True]
    assert messages.dead_letter("q", "a") is None
    assert status_of(backend, "a") is TaskStatus.SUBMITTED


@pytest.mark.parametrize("last", ["step", "retire"])
def test_a_callback_takes_the_place_of_an_old_message_too(
    backend: Backend, store: Store, actor: Actors, last: str
) -> None:
    """A callback of a chosen uuid, submitted with its parent's completion, leaves nothing of the old message."""
    worker = actor()
    _leave_everything(backend, worker)
    store.advance(DEDUP_WINDOW)
    worker.renew()
    add(backend, "parent")
    outcome = succeeded(worker.claim_one(), callback=a_message("a", named=True))
    assert worker.step(outcome, limit=0).skipped == [] if last == "step" else worker.retire(outcome) == []
    assert _is_left(backend) == NOTHING
    assert status_of(backend, "a") is TaskStatus.SUBMITTED
    assert result_of(backend, "parent") == b"result"


def test_a_skipped_callback_removes_nothing(backend: Backend, actor: Actors) -> None:
    """A callback whose uuid is not new changes nothing."""
    worker = actor()
    _leave_everything(backend, worker)
    add(backend, "parent")
    outcome = succeeded(worker.claim_one(), callback=a_message("a", named=True))
    assert worker.step(outcome, limit=0).skipped == ["a"]
    assert _is_left(backend) == ALL


def test_a_replay_takes_its_letter_only(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A replayed message is the old one: its letter goes, what else is left of it stays."""
    _leave_everything(backend, actor())
    assert replay(messages, a_message("a", named=True))
    assert _is_left(backend) == (True, False, False, True)
    assert status_of(backend, "a") is TaskStatus.SUBMITTED


def test_a_letter_of_another_queue_stays(backend: Backend, store: Store, actor: Actors) -> None:
    """A dead letter is found by queue and uuid: that of another queue says nothing of the new message, and stays."""
    _leave_everything(backend, actor())
    store.advance(DEDUP_WINDOW)
    add(backend, a_message("a", queue="other", named=True))
    assert _is_left(backend) == (False, True, False, False)
    assert backend.messages.dead_letter("other", "a") is None


def test_of_a_made_uuid_nothing_is_looked_for(backend: Backend, store: Store, actor: Actors) -> None:
    """The submission of a message whose uuid was made for it looks for no old one: it costs nothing more."""
    _leave_everything(backend, actor())
    store.advance(DEDUP_WINDOW)
    assert add(backend, "a") == [True]
    assert _is_left(backend) == (True, True, False, True)


def test_a_name_of_your_own_every_day(backend: Backend, store: Store) -> None:
    """A wait for a new message does not receive the result of an old message of the same uuid."""
    broker, results, tracker = Broker(backend), ResultStore(backend), StatusTracker(backend)

    @task(broker, result_store=results, status_tracker=tracker)
    def report(day: int) -> int:
        return day

    for outcome in ("failed", "done"):
        message = report.generate(args=(1,), uuid="report")
        if outcome == "failed":
            broker.fail(message, ValueError("yesterday's"))
        else:
            results.set(message, "yesterday's")
            broker.remove(message)
        store.advance(3_600_000)
        today = report.generate(args=(2,), uuid="report")
        with pytest.raises(TimeoutError):
            results.get(today, timeout=1)
        assert not broker.in_dlq(today)
        assert results.failure(today) is None
        assert tracker.get(today) is TaskStatus.SUBMITTED
        broker.remove(today)


def test_the_same_message_object_submitted_again(backend: Backend) -> None:
    """A message that is submitted a second time may have been used before, though its uuid was made for it."""
    broker = Broker(backend)
    message = Message("a task")
    broker.submit(message)
    with pytest.raises(MessageAlreadyExistsError):
        broker.submit(message)
    broker.fail(message)
    broker.submit(message)
    assert not broker.in_dlq(message)
    broker.fail(message)
    (dead,) = broker.dead_letters(message.queue)
    broker.submit(dead)
    assert not broker.in_dlq(message)
