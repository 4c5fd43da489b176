"""Finishing: each outcome writes all that belongs to it in one step, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import (
    FOR_EVER,
    DeadLetter,
    ResultRecord,
    StatusRecord,
    Stored,
    TaskStatus,
)
from alsek.storage.backends.subscriptions import Note
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    add,
    died,
    hear,
    lost,
    released,
    result_of,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def test_what_is_ready_at_once_takes_its_place_before_callbacks(backend: Backend, actor: Actors) -> None:
    """In one step, messages retried without a delay come before the callbacks, each in the order of the outcomes."""
    worker = actor()
    add(backend, "a", "b", "c", "d")
    one, two, three, four = worker.claim()
    worker.step(
        succeeded(one, callback=a_message("x")),
        retried(two),
        succeeded(three, callback=a_message("y")),
        retried(four),
        limit=0,
    )
    assert uuids(worker.claim()) == ["b", "d", "x", "y"]


def test_success_writes_everything_together(backend: Backend, store: Store, actor: Actors) -> None:
    """A success stores the result, SUCCEEDED and the callback, and deletes the message."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    step = worker.step(
        succeeded(claimed, b"42", progenitor="root", callback=a_message("next", queue="r")), limit=0
    )
    assert (step.refused, step.skipped) == ([], [])
    assert not backend.messages.exists("q", "a")
    assert worker.held() == []
    (record,) = backend.results.get(["a"])
    assert record is not None
    assert record == ("a", b"42", store.now, claimed.token)
    assert backend.results.descendants("root") == [record]
    assert status_of(backend, "a") == TaskStatus.SUCCEEDED
    assert state_of(backend, "next", "r") == "ready"
    assert status_of(backend, "next") == TaskStatus.SUBMITTED


def test_success_without_a_result_stores_none(backend: Backend, actor: Actors) -> None:
    """Without a result in the outcome, none is stored."""
    worker = actor()
    add(backend, "a")
    worker.step(succeeded(worker.claim_one(), None), limit=0)
    assert result_of(backend, "a") is None
    assert status_of(backend, "a") == TaskStatus.SUCCEEDED


def test_an_empty_result_is_a_result(backend: Backend, actor: Actors) -> None:
    """No bytes are a result like any other, and not the same as none."""
    worker = actor()
    add(backend, "a")
    worker.step(succeeded(worker.claim_one(), b""), limit=0)
    assert result_of(backend, "a") == b""


def test_a_result_is_kept_as_long_as_the_outcome_says(backend: Backend, store: Store, actor: Actors) -> None:
    """The result's time to live counts from the finish."""
    worker = actor()
    add(backend, "a", "b")
    first, second = worker.claim()
    worker.step(succeeded(first, result_ttl=SHORT), succeeded(second, result_ttl=FOR_EVER), limit=0)
    store.outlive(SHORT, lambda: result_of(backend, "a") is None)
    assert result_of(backend, "b") == b"result"


def test_an_untracked_message_leaves_no_status(backend: Backend, actor: Actors) -> None:
    """No outcome writes a status for a message that is not tracked."""
    worker = actor()
    names = ["a", "b", "c", "d", "e"]
    add(backend, *(a_message(name, status_ttl=0) for name in names))
    one, two, three, four, five = worker.claim()
    worker.step(succeeded(one), retried(two), died(three), released(four), lost(five), limit=0)
    assert backend.statuses.get(names) == [None] * 5
    assert list(backend.statuses.scan()) == []


def test_a_delayed_callback_counts_from_the_completion(backend: Backend, store: Store, actor: Actors) -> None:
    """A callback's delay begins when its parent completes."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    store.advance(3_000)
    step = worker.step(succeeded(claimed, callback=a_message("b", delay=500)))
    assert (step.claimed, step.next_due) == ([], 500)
    store.advance(500)
    assert uuids(worker.claim()) == ["b"]


def test_a_callback_may_be_claimed_in_the_same_step(backend: Backend, actor: Actors) -> None:
    """A callback that is ready at once can be handed out by the step that submitted it."""
    worker = actor()
    add(backend, "a")
    assert uuids(worker.step(succeeded(worker.claim_one(), callback=a_message("b"))).claimed) == ["b"]


def test_a_callback_that_exists_is_skipped(backend: Backend, actor: Actors) -> None:
    """A callback whose uuid is not new is reported and not submitted; its parent's success stands."""
    worker = actor("q")
    add(backend, "a", "b")
    add(backend, a_message("live", queue="elsewhere", payload=b"first"))
    add(backend, "finished")
    one, two, other = worker.claim()
    worker.step(succeeded(other), limit=0)
    step = worker.step(
        succeeded(one, callback=a_message("live", payload=b"second")),
        succeeded(two, callback=a_message("finished")),
        limit=0,
    )
    assert step.refused == []
    assert step.skipped == ["live", "finished"]
    assert result_of(backend, "a") == result_of(backend, "b") == b"result"
    assert backend.messages.count("q") == 0
    stored = backend.messages.get("elsewhere", "live")
    assert stored is not None
    assert stored.payload == b"first"


def test_of_two_callbacks_of_one_uuid_the_first_is_submitted(backend: Backend, actor: Actors) -> None:
    """A callback that came in as another message's callback is not new either, in the same step or later."""
    worker = actor("q")
    add(backend, "a", "b", "c")
    one, two, three = worker.claim()
    callback = a_message("next", queue="r", payload=b"first")
    step = worker.step(
        succeeded(one, callback=callback),
        succeeded(two, callback=callback._replace(payload=b"second")),
        limit=0,
    )
    assert (step.refused, step.skipped) == ([], ["next"])
    step = worker.step(succeeded(three, callback=callback._replace(payload=b"third")), limit=0)
    assert (step.refused, step.skipped) == ([], ["next"])
    stored = backend.messages.get("r", "next")
    assert stored is not None
    assert stored.payload == b"first"
    assert backend.messages.count("r") == 1


def test_a_retry_writes_everything_together(backend: Backend, store: Store, actor: Actors) -> None:
    """A retry replaces the attempt state and not the payload, delays the message, writes RETRYING, ends the claim."""
    worker = actor()
    add(backend, "a")
    first = worker.claim_one()
    state: dict[str, Any] = {"retries": 3, "updated_at": 12, "retry_delay": 7, "last_error": ERROR}
    step = worker.step(retried(first, delay=2_000, **state))
    assert (step.claimed, step.next_due) == ([], 2_000)
    assert worker.held() == []
    assert status_of(backend, "a") == TaskStatus.RETRYING
    stored = backend.messages.get("q", "a")
    assert stored == Stored("a", "q", first.payload, 0, "delayed", 0, False, **state)
    assert list(backend.messages.browse("q")) == [stored]
    store.advance(2_000)
    second = worker.claim_one()
    assert second == first._replace(token=second.token, **state)
    assert second.token > first.token
    assert worker.held() == [second]


def test_a_retry_leaves_nothing_of_the_attempt_state_before(backend: Backend, actor: Actors) -> None:
    """What the next retry does not say is not kept from the one before; an empty retry is one too."""
    worker = actor()
    add(backend, "a")
    first = worker.claim_one()
    worker.step(retried(first, retries=3, updated_at=12, retry_delay=7, last_error=ERROR), limit=0)
    worker.step(retried(worker.claim_one(), retries=4, updated_at=13), limit=0)
    claimed = worker.claim_one()
    assert claimed == first._replace(token=claimed.token, retries=4, updated_at=13)
    worker.step(retried(claimed, retries=0), limit=0)
    claimed = worker.claim_one()
    assert claimed == first._replace(token=claimed.token)


def test_an_uncounted_retry_keeps_its_state(backend: Backend, actor: Actors) -> None:
    """Time, delay and error are kept although the number of retries is 0."""
    worker = actor()
    add(backend, "a")
    first = worker.claim_one()
    state: dict[str, Any] = {"retries": 0, "updated_at": 12, "retry_delay": 0, "last_error": ERROR}
    worker.step(retried(first, **state), limit=0)
    claimed = worker.claim_one()
    assert claimed == first._replace(token=claimed.token, **state)


@pytest.mark.parametrize(
    "error", [b"%|;\n=\\", "\N{SNOWMAN}|%0A;".encode(), b'{"text": "x"}' * 3_000], ids=len
)
def test_any_error_goes_through_a_retry(backend: Backend, actor: Actors, error: bytes) -> None:
    """An error may have what separates fields in a store."""
    worker = actor()
    add(backend, "a")
    worker.step(retried(worker.claim_one(), last_error=error), limit=0)
    assert worker.claim_one().last_error == error


def test_attempt_state_outlasts_whatever_does_not_retry(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A release, a loss, a revocation and a retirement leave the attempt state as it is."""
    worker = actor()
    add(backend, "a")
    state: dict[str, Any] = {"retries": 3, "updated_at": 12, "retry_delay": 7, "last_error": ERROR}
    worker.step(retried(worker.claim_one(), delay=10, **state), limit=0)
    store.advance(10)
    worker.step(released(worker.claim_one()), limit=0)
    worker.step(lost(worker.claim_one()), limit=0)
    backend.messages.revoke("q", "a")
    worker.claim_one()
    worker.retire()
    claimed = actor().claim_one()
    assert {name: getattr(claimed, name) for name in state} == state
    assert (claimed.losses, claimed.revoked) == (1, True)


def test_a_retry_by_hand_may_bring_another_payload(backend: Backend, actor: Actors) -> None:
    """A message that a user has changed is stored as it is then; the attempt state is beside it."""
    worker = actor()
    add(backend, "a")
    worker.step(retried(worker.claim_one(), b"edited"), limit=0)
    claimed = worker.claim_one()
    assert (claimed.payload, claimed.retries) == (b"edited", 1)


def test_a_retried_message_takes_a_new_place(backend: Backend, actor: Actors) -> None:
    """A retry goes behind its equals that were ready before."""
    worker = actor()
    add(backend, "a", "b")
    worker.step(retried(worker.claim_one()), limit=0)
    assert state_of(backend, "a") == "ready"
    assert uuids(worker.claim()) == ["b", "a"]


def test_a_death_writes_everything_together(backend: Backend, store: Store, actor: Actors) -> None:
    """A death moves the message with its error to the dead letters, and writes FAILED."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one()), limit=0)
    assert not backend.messages.exists("q", "a")
    assert backend.messages.dead_letter("q", "a") == DeadLetter("a", "q", b"payload of a", ERROR, store.now)
    assert status_of(backend, "a") == TaskStatus.FAILED
    assert result_of(backend, "a") is None


@pytest.mark.parametrize("how", ["died", "failed by hand"])
def test_a_death_keeps_the_attempt_state(backend: Backend, store: Store, actor: Actors, how: str) -> None:
    """A dead letter has the payload as it was submitted, and the attempt state of the last retry."""
    worker = actor()
    add(backend, "a")
    state: dict[str, Any] = {"retries": 2, "updated_at": 12, "retry_delay": 7}
    worker.step(retried(worker.claim_one(), last_error=b"another", **state), limit=0)
    if how == "died":
        worker.step(died(worker.claim_one()), limit=0)
    else:
        assert backend.messages.fail("q", "a", ERROR, DLQ_TTL)
    letter = DeadLetter("a", "q", b"payload of a", ERROR, store.now, **state)
    assert backend.messages.dead_letter("q", "a") == letter
    assert list(backend.messages.dead_letters("q")) == [letter]


def test_without_dead_letters_a_death_drops(backend: Backend, actor: Actors) -> None:
    """With ``dlq_ttl=0`` a dead message is dropped; FAILED is written all the same."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one(), dlq_ttl=0), limit=0)
    assert backend.messages.dead_letter("q", "a") is None
    assert backend.messages.dead_queues() == []
    assert status_of(backend, "a") == TaskStatus.FAILED


def test_a_released_message_keeps_its_place(backend: Backend, actor: Actors) -> None:
    """What is given back untouched goes first again, with nothing spent."""
    worker = actor()
    add(backend, "a", "b", "c")
    first, second = worker.claim(limit=2)
    worker.step(released(second), released(first), limit=0)
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    claimed = worker.claim()
    assert uuids(claimed) == ["a", "b", "c"]
    assert claimed[0] == first._replace(token=claimed[0].token)
    assert claimed[0].token > second.token


def test_a_lost_message_keeps_its_place_and_counts_the_loss(backend: Backend, actor: Actors) -> None:
    """What is given back for a dead holder goes first again, one loss more, RETRYING."""
    worker = actor()
    add(backend, "a", "b")
    for losses in range(3):
        claimed = worker.claim_one()
        assert (claimed.uuid, claimed.losses) == ("a", losses)
        worker.step(lost(claimed), limit=0)
        assert status_of(backend, "a") == TaskStatus.RETRYING
        stored = backend.messages.get("q", "a")
        assert stored is not None
        assert stored.losses == losses + 1


def test_outcomes_are_accepted_together(backend: Backend, actor: Actors) -> None:
    """One step takes outcomes of every kind."""
    worker = actor()
    add(backend, "a", "b", "c", "d", "e")
    one, two, three, four, five = worker.claim()
    step = worker.step(
        succeeded(one), retried(two, delay=10), died(three), released(four), lost(five), limit=0
    )
    assert step.refused == []
    states = [state_of(backend, name) for name in "abcde"]
    assert states == [None, "delayed", None, "ready", "ready"]
    assert worker.held() == []


def test_results_and_statuses_are_published(backend: Backend, actor: Actors) -> None:
    """Every status and result that a step writes is published."""
    worker = actor()
    with backend.subscribe("statuses:a", "results:a") as subscription:
        add(backend, "a")
        claimed = worker.claim_one()
        worker.step(succeeded(claimed), limit=0)
        notes = [hear(subscription) for _ in range(4)]
    heard = [note for note in notes if note is not None]
    statuses = [StatusRecord.unpack("a", note.data) for note in heard if note.channel == "statuses:a"]
    expected = [TaskStatus.SUBMITTED, TaskStatus.RUNNING, TaskStatus.SUCCEEDED]
    assert [record.status for record in statuses] == expected
    (told,) = [note.data for note in heard if note.channel == "results:a"]
    assert told == b"" or ResultRecord.unpack("a", told) == backend.results.get(["a"])[0]


@pytest.mark.parametrize("status_ttl", [0, FOR_EVER])
def test_a_failure_wakes_whoever_waits_for_the_result(
    backend: Backend, actor: Actors, status_ttl: int
) -> None:
    """A death publishes on the channel of the result, tracked or not."""
    worker = actor()
    add(backend, a_message("a", status_ttl=status_ttl))
    claimed = worker.claim_one()
    with backend.subscribe("results:a") as subscription:
        worker.step(died(claimed), limit=0)
        assert hear(subscription) == Note("results:a", b"")


def test_an_older_result_makes_way(backend: Backend, actor: Actors) -> None:
    """A result written beforehand under an older token is replaced by the finish."""
    worker = actor()
    add(backend, "a")
    first = worker.claim_one()
    backend.results.put("a", b"of the first claim", token=first.token)
    worker.step(lost(first), limit=0)
    second = worker.claim_one()
    worker.step(succeeded(second, b"of the second"), limit=0)
    assert result_of(backend, "a") == b"of the second"


def test_the_result_of_an_accepted_outcome_is_stored_whatever_was_there(
    backend: Backend, actor: Actors
) -> None:
    """A result that was put by hand, under a token that no claim has had yet, does not outlive the accepted one."""
    worker = actor()
    add(backend, "a")
    (claimed,) = worker.step().claimed
    assert backend.results.put("a", b"by hand", token=claimed.token + 1)
    assert not worker.step(succeeded(claimed, b"accepted")).refused
    assert result_of(backend, "a") == b"accepted"


def test_an_outcome_that_is_given_twice_counts_once(backend: Backend, actor: Actors) -> None:
    """The second is refused, and the queue is not counted down again."""
    worker = actor()
    add(backend, "a", "b")
    one = worker.claim_one()
    assert worker.step(succeeded(one), succeeded(one), limit=0).refused == ["a"]
    assert backend.messages.count("q") == 1
