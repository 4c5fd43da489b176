"""What follows a failure: its failure callback, and notes for those who wait for what will not be submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from alsek.defaults import FAILED_PARENT_TTL
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Failed, SetAside, TaskStatus
from alsek.storage.backends.subscriptions import Note
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    QUIET,
    Actor,
    Actors,
    a_message,
    add,
    died,
    hear,
    not_mine,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
    who_rings,
)

#: Claims the first message and has it fail, with these fields of the outcome.
Failure: TypeAlias = Callable[..., Any]


def _in_a_step(outcome: Callable[..., Failed | SetAside]) -> Failure:
    return lambda worker, backend, **fields: worker.step(outcome(worker.claim_one(), **fields), limit=0)


def _at_retirement(worker: Actor, backend: Backend, **fields: Any) -> Any:
    return worker.retire(died(worker.claim_one(), **fields))


def _by_hand(worker: Actor, backend: Backend, **fields: Any) -> Any:
    assert backend.messages.fail("q", "a", ERROR, DLQ_TTL, **fields)


def _by_hand_while_claimed(worker: Actor, backend: Backend, **fields: Any) -> Any:
    worker.claim_one()
    _by_hand(worker, backend, **fields)


FAILURES: dict[str, Failure] = {
    "failed": _in_a_step(died),
    "nobody has its task": _in_a_step(not_mine),
    "failed at retirement": _at_retirement,
    "failed by hand": _by_hand,
    "failed by hand, claimed": _by_hand_while_claimed,
}
every_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))


@every_failure
def test_a_failure_submits_its_callback(backend: Backend, actor: Actors, failure: Failure) -> None:
    """The failure callback is submitted in the step that makes the dead letter, and wakes a worker."""
    worker, sleeper = actor("q"), actor("r").waiter()
    add(backend, "a")
    sleeper.arm()
    failure(worker, backend, callback=a_message("b", queue="r"))
    assert backend.messages.dead_letter("q", "a") is not None
    assert (state_of(backend, "b", "r"), status_of(backend, "b")) == ("ready", TaskStatus.SUBMITTED)
    assert who_rings([sleeper]) == [0]
    sleeper.close()
    assert uuids(actor("r").claim()) == ["b"]


@every_failure
def test_unreachable_callbacks_are_noted(backend: Backend, actor: Actors, failure: Failure) -> None:
    """Each callback that will not be submitted is noted with the message that failed, and a note is published."""
    add(backend, "a")
    news = backend.subscribe("results:b", "results:c", "results:d")
    failure(actor("q"), backend, unreachable=("b", "c"))
    assert backend.results.failed_parents(["c", "a", "b", "d"]) == ["a", None, "a", None]
    assert {hear(news), hear(news)} == {Note("results:b", b""), Note("results:c", b"")}
    assert news.wait(int(QUIET * 1000)) is None
    news.close()
    assert backend.results.get(["b"]) == [None]


def test_nothing_is_noted_without_a_failure(backend: Backend, actor: Actors) -> None:
    """There are no notes but those of failures."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one()), limit=0)
    assert backend.results.failed_parents(["a", "b"]) == [None, None]
    assert backend.results.failed_parents([]) == []


def test_a_failure_callback_that_exists_is_skipped(backend: Backend, actor: Actors) -> None:
    """A failure callback whose uuid is not new is left out and reported, as any callback."""
    worker = actor()
    add(backend, "a", "b", "taken")
    one, two, taken = worker.claim()
    step = worker.step(
        died(one, callback=a_message("taken", payload=b"another")),
        not_mine(two, callback=a_message("taken", payload=b"another")),
        limit=0,
    )
    assert step.skipped == ["taken", "taken"]
    worker.step(succeeded(taken), limit=0)
    assert backend.messages.count("q") == 0


def test_what_is_set_aside_has_not_failed(backend: Backend, actor: Actors) -> None:
    """A message that is set aside submits no failure callback, and its callbacks are not unreachable."""
    worker = actor("q")
    add(backend, "a")
    worker.step(not_mine(worker.claim_one(), wait=True, callback=a_message("b"), unreachable=("c",)), limit=0)
    assert state_of(backend, "b") is None
    assert backend.results.failed_parents(["c"]) == [None]


def test_a_refused_failure_submits_nothing(backend: Backend, actor: Actors) -> None:
    """An outcome whose token is not the current one writes no note and submits no callback."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()._replace(token=1 << 40)
    step = worker.step(died(claim, callback=a_message("b"), unreachable=("c",)), limit=0)
    assert step.refused == ["a"]
    assert state_of(backend, "b") is None
    assert backend.results.failed_parents(["c"]) == [None]
    assert not backend.messages.fail("q", "nobody", ERROR, DLQ_TTL, a_message("b"), ("c",))
    assert state_of(backend, "b") is None
    assert backend.results.failed_parents(["c"]) == [None]


def test_callbacks_keep_the_order_of_the_outcomes(backend: Backend, actor: Actors) -> None:
    """In one step, callbacks of both kinds are submitted in the order of the outcomes, behind what is retried."""
    worker = actor()
    add(backend, "a", "b", "c", "d")
    one, two, three, four = worker.claim()
    step = worker.step(
        died(one, callback=a_message("x")),
        succeeded(two, callback=a_message("y")),
        retried(three),
        not_mine(four, callback=a_message("z")),
    )
    assert uuids(step.claimed) == ["c", "x", "y", "z"]


def test_a_repeated_failure_submits_nothing_again(backend: Backend, actor: Actors) -> None:
    """A step, a retirement or a failure by hand that is sent again changes nothing."""
    worker = actor()
    add(backend, "a")
    outcome = died(worker.claim_one(), callback=a_message("b"))
    step = worker.step(outcome)
    assert worker.again(outcome) == step
    worker.step(succeeded(step.claimed[0]), limit=0)
    add(backend, "c")
    assert backend.messages.fail("q", "c", ERROR, DLQ_TTL, a_message("d"))
    claim = worker.claim_one()
    assert backend.messages.fail("q", "c", ERROR, DLQ_TTL, a_message("d"))
    assert backend.messages.fail("q", "c", ERROR, DLQ_TTL, a_message("e"), ("f",))
    assert worker.retire(succeeded(claim)) == []
    assert worker.retire(succeeded(claim)) == []
    assert backend.messages.count("q") == 0
    assert backend.results.failed_parents(["f"]) == [None]


def test_a_failure_callback_may_have_the_uuid_of_what_was_failed_by_hand(backend: Backend) -> None:
    """That uuid is new at once: the message is a dead letter, and another of its uuid is submitted."""
    add(backend, "a")
    assert backend.messages.fail("q", "a", ERROR, DLQ_TTL, a_message("a", payload=b"another"))
    letter, stored = backend.messages.dead_letter("q", "a"), backend.messages.get("q", "a")
    assert letter is not None
    assert stored is not None
    assert (letter.payload, stored.payload) == (b"payload of a", b"another")
    assert status_of(backend, "a") == TaskStatus.SUBMITTED


def test_a_failure_without_a_letter_has_its_callback(backend: Backend, actor: Actors) -> None:
    """A message that leaves no dead letter submits its failure callback, too."""
    worker = actor()
    add(backend, "a")
    step = worker.step(died(worker.claim_one(), dlq_ttl=0, callback=a_message("b"), unreachable=("c",)))
    assert uuids(step.claimed) == ["b"]
    assert backend.results.failed_parents(["c"]) == ["a"]


def test_a_delayed_failure_callback_counts_from_the_failure(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """Its delay begins when the message fails."""
    worker = actor()
    add(backend, "a")
    store.advance(1_000)
    step = worker.step(died(worker.claim_one(), callback=a_message("b", delay=300)))
    assert (step.claimed, step.next_due) == ([], 300)


def test_the_last_failure_is_noted(backend: Backend, actor: Actors) -> None:
    """If several messages had the callback, the last that failed is the one."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    worker.step(died(one, unreachable=("c",)), limit=0)
    worker.step(died(two, unreachable=("c",)), limit=0)
    assert backend.results.failed_parents(["c"]) == ["b"]


# Redis counts these times itself, where a test can't move its clock.
@pytest.mark.stores("memory", "sqlite")
def test_notes_are_kept_for_a_day(backend: Backend, store: Store, actor: Actors) -> None:
    """A note is kept for :data:`FAILED_PARENT_TTL`."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one(), unreachable=("b",)), limit=0)
    store.advance(FAILED_PARENT_TTL - 1)
    assert backend.results.failed_parents(["b"]) == ["a"]
    store.advance(1)
    assert backend.results.failed_parents(["b"]) == [None]


def test_a_replay_deletes_the_notes(backend: Backend, store: Store, actor: Actors) -> None:
    """When the message that failed is replayed, its callbacks are awaited again."""
    worker, messages = actor(), backend.messages
    add(backend, "a")
    worker.step(died(worker.claim_one(), unreachable=("b", "c")), limit=0)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert not messages.replay(a_message("a"), letter.died_at + 1, ("b", "c")).accepted
    assert backend.results.failed_parents(["b", "c"]) == ["a", "a"]
    assert messages.replay(a_message("a"), letter.died_at, ("b",)).accepted
    assert backend.results.failed_parents(["b", "c"]) == [None, "a"]


def test_a_repeated_replay_leaves_later_notes(backend: Backend, store: Store, actor: Actors) -> None:
    """A replay that is sent again, after the message has failed again, deletes nothing."""
    worker, messages = actor(), backend.messages
    add(backend, "a")
    worker.step(died(worker.claim_one(), unreachable=("b",)), limit=0)
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    assert messages.replay(a_message("a"), letter.died_at, ("b",)).accepted
    store.advance(1)
    worker.step(died(worker.claim_one(), unreachable=("b",)), limit=0)
    assert messages.replay(a_message("a"), letter.died_at, ("b",)).accepted
    assert backend.results.failed_parents(["b"]) == ["a"]


def test_a_named_message_takes_its_note_away(backend: Backend, actor: Actors) -> None:
    """A message whose uuid the caller chose replaces the last one of that uuid, and the note about it."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    worker.step(died(one, unreachable=("c",)), limit=0)
    worker.step(succeeded(two, callback=a_message("c", named=True)), limit=0)
    assert backend.results.failed_parents(["c"]) == [None]


@every_failure
def test_a_callback_that_is_submitted_has_no_note(backend: Backend, actor: Actors, failure: Failure) -> None:
    """A failure that submits the very callback of which it notes that it won't be submitted leaves no such note."""
    add(backend, "a")
    callback = a_message("c", queue="r", named=True)
    failure(actor("q"), backend, callback=callback, unreachable=("b", "c"))
    assert backend.results.failed_parents(["b", "c"]) == ["a", None]
    assert state_of(backend, "c", "r") == "ready"
