"""Repeated steps: a step that is sent again after a lost reply gets the same answer and does nothing twice."""

from __future__ import annotations

import json

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import BackendError, WorkerUnknownError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED, Added, Step, TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actors,
    a_message,
    add,
    by_hand,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def test_a_repeated_retirement_is_told_the_same(backend: Backend, store: Store, actor: Actors) -> None:
    """Outcomes accepted with a retirement count as accepted when it is sent again, for the length of the window."""
    worker, other = actor(), actor()
    add(backend, "a", "b", "c", "d")
    one, two, three, four = worker.claim()
    backend.messages.remove("q", "b")
    outcomes = (succeeded(one), succeeded(two), retried(three), succeeded(one))
    assert worker.retire(*outcomes) == ["b", "a"]
    claimed = other.claim()
    assert uuids(claimed) == ["d", "c"]
    for _ in range(2):
        assert worker.retire(*outcomes) == ["b", "a"]
        assert worker.retire(succeeded(four), retried(three)) == ["d"]
        store.advance(DEDUP_WINDOW - 1)
    assert worker.retire(*outcomes) == ["a", "b", "c", "a"]
    assert other.held() == claimed
    assert backend.messages.count("q") == 2


def _told(step: Step) -> Step:
    """The part of an answer that a repeated step must have again. `next_due` may have changed since."""
    return step._replace(next_due=None, waiting=(), suspects=False)


def test_a_repeated_step_submits_the_callback_once(backend: Backend, actor: Actors) -> None:
    """A callback is submitted once, also when the finish is sent again after the callback was done."""
    worker, other = actor(), actor()
    add(backend, "a")
    outcome = succeeded(worker.claim_one(), callback=a_message("b"))
    first = worker.step(outcome, limit=0)
    other.step(succeeded(other.claim_one()), limit=0)
    assert _told(worker.again(outcome, limit=0)) == _told(first)
    assert backend.messages.queues() == []


def test_the_same_step_again_gives_the_same_answer(backend: Backend, store: Store, actor: Actors) -> None:
    """A step repeated after a lost reply is answered as the first time, and changes nothing."""
    worker, other = actor(), actor()
    add(backend, "a", "b", "c", "d")
    add(backend, a_message("later", delay=50))
    one, two = worker.claim(limit=2)
    outcomes = (succeeded(one, callback=a_message("e")), retried(two, delay=0))
    first = worker.step(*outcomes, limit=1)
    other.claim(limit=1)
    store.advance(100)
    assert _told(worker.again(*outcomes, limit=1)) == _told(first)
    assert _told(worker.again(*outcomes, limit=5)) == _told(first)
    assert uuids(worker.held()) == ["c"]
    assert sorted(uuids(worker.claim())) == ["b", "e", "later"]


def test_a_repeated_step_changes_nothing(backend: Backend, store: Store, actor: Actors) -> None:
    """A step sent again makes nothing ready that came due since, and takes over from nobody."""
    worker, dead, other = actor(), actor(), actor()
    add(backend, "a")
    add(backend, a_message("later", delay=LEASE // 2))
    dead.claim_one()
    worker.step(limit=0)
    for _ in range(3):
        store.advance(LEASE // 3 + 1)
        worker.renew()
        other.renew()
    repeated = worker.again(limit=0)
    assert (repeated.refused, repeated.claimed, repeated.skipped, repeated.corrupt) == ([], [], [], [])
    assert (state_of(backend, "later"), state_of(backend, "a")) == ("delayed", "claimed")
    assert uuids(worker.claim()) == ["a", "later"]


@pytest.mark.parametrize("claims", [True, False])
def test_an_old_step_is_refused(backend: Backend, messages: MessagePort, actor: Actors, claims: bool) -> None:
    """A step older than the worker's last is refused, whether that one claimed something or found nothing to do."""
    worker = actor()
    add(backend, "a", "b", "c")
    first = worker.claim_one()
    worker.step(limit=1 if claims else 0)
    worker.step(limit=0)
    held = worker.held()
    for seq in (1, 2):
        for outcomes in ((), (succeeded(first),)):
            with pytest.raises(BackendError, match="came after"):
                messages.step(worker.worker, seq, outcomes, {worker.worker.kind: 5})
    assert worker.held() == held
    assert _told(worker.again(limit=0)) == Step([], [], None, (), False, [], [])
    assert worker.step(succeeded(first), limit=0).refused == []


def test_an_idle_step_is_not_repeated_to_a_worker_that_is_gone(backend: Backend, actor: Actors) -> None:
    """A worker that is no longer registered is refused, even if its last step found nothing to do."""
    worker = actor()
    worker.step(limit=1)
    worker.step(limit=1)
    worker.retire()
    with pytest.raises(WorkerUnknownError):
        worker.again(limit=1)


@pytest.mark.parametrize("how", ["renew", "remove", "reschedule", "fail", "removed and added"])
def test_a_repeated_step_names_only_what_is_held_still(
    backend: Backend, messages: MessagePort, actor: Actors, how: str
) -> None:
    """A claim that has ended since is not handed out again by the repetition of its step."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    assert worker.again().claimed == [one, two]
    if how == "renew":
        messages.renew(worker.worker, worker.seq, [two.token])
    elif how == "remove":
        messages.remove("q", "a")
    elif how == "reschedule":
        messages.reschedule(by_hand("q", "a", b"anew", 0))
    elif how == "fail":
        messages.fail("q", "a", ERROR, DLQ_TTL)
    else:
        messages.remove("q", "a")
        assert add(backend, "a") == [True]
    assert worker.again().claimed == worker.held() == [two]


def test_a_repeated_step_tells_of_a_revocation_since(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """The repetition of a step names its claims as they are now."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    messages.revoke("q", "a")
    assert worker.again(limit=1).claimed == worker.held() == [claimed._replace(revoked=True)]


def test_a_refusal_is_repeated_too(backend: Backend, actor: Actors) -> None:
    """A repeated step has the same refused, skipped and claimed messages."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    backend.messages.remove("q", "a")
    outcomes = (succeeded(one), succeeded(two, callback=a_message("b")))
    first = worker.step(*outcomes)
    assert (first.refused, first.skipped) == (["a"], ["b"])
    assert _told(worker.again(*outcomes)) == _told(first)


def test_a_large_answer_is_repeated_in_order(backend: Backend, actor: Actors) -> None:
    """A repeated step names the same claims in the same order, however many."""
    worker = actor()
    add(backend, *(f"m{n:03}" for n in range(300)))
    first = worker.step(limit=300)
    assert len(first.claimed) == 300
    assert worker.again(limit=300).claimed == first.claimed
    assert worker.held() == first.claimed


def test_a_worker_taken_for_dead_is_given_no_old_answer(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A worker that is no longer registered is refused even a step that was answered before."""
    worker = actor()
    add(backend, "a")
    worker.claim_one()
    worker.retire()
    with pytest.raises(WorkerUnknownError):
        messages.step(worker.worker, worker.seq, (), {worker.worker.kind: 1})


@pytest.mark.parametrize("how", ["bytes", "version"])
def test_an_unreadable_record_is_set_aside(backend: Backend, store: Store, actor: Actors, how: str) -> None:
    """An unreadable record is reported and moved to the dead letters, and the other messages are claimed."""
    worker = actor()
    add(backend, "a", "b", "c")
    store.spoil("q", "b", how)
    step = worker.step()
    assert uuids(step.claimed) == ["a", "c"]
    assert [(corrupt.uuid, corrupt.queue) for corrupt in step.corrupt] == [("b", "q")]
    assert step.corrupt[0].reason
    letter = backend.messages.dead_letter("q", "b")
    assert letter is not None
    details = json.loads(letter.error)
    assert details.keys() == {"name", "text", "traceback"}
    assert details["name"] == "CorruptMessageError"
    assert details["text"] == step.corrupt[0].reason
    assert backend.messages.count("q") == 2
    assert _told(worker.again()) == _told(step)
    assert not worker.step(limit=0).waiting
    assert [status_of(backend, name) for name in "abc"] == [
        TaskStatus.RUNNING,
        TaskStatus.FAILED,
        TaskStatus.RUNNING,
    ]


@pytest.mark.parametrize("how", ["bytes", "version"])
def test_of_an_unreadable_record_no_request_is_remembered(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors, how: str
) -> None:
    """A uuid is new once its record was set aside, to the request that brought it as well."""
    request = "the-request"
    messages.add([a_message("a")], request)
    store.spoil("q", "a", how)
    assert len(actor().step().corrupt) == 1
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    assert state_of(backend, "a") == "ready"


def test_an_unreadable_record_leaves_what_is_remembered_of_its_uuid(
    messages: MessagePort, store: Store, actor: Actors
) -> None:
    """A uuid that finished stays refused, though a letter of it was replayed since and could not be read."""
    worker = actor()
    messages.add([a_message("a")], "first")
    messages.fail("q", "a", ERROR, DLQ_TTL)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    messages.add([a_message("a")], "second")
    (claimed,) = worker.step().claimed
    worker.step(succeeded(claimed), limit=0)
    assert messages.replay(a_message("a"), letter.died_at).accepted
    store.spoil("q", "a", "version")
    assert len(worker.step().corrupt) == 1
    assert messages.add([a_message("a")], "third") == [Added(False, "a", "finished")]
