"""Refusals: an outcome that is not under the current claim changes nothing at all."""

from __future__ import annotations

import pytest

from alsek.exceptions import WorkerUnknownError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import (
    FOR_EVER,
    Failed,
    Lost,
    Outcome,
    Released,
    Retried,
    Succeeded,
    TaskStatus,
)
from tests.contract.workers import (
    ERROR,
    Actors,
    a_message,
    add,
    died,
    released,
    result_of,
    retried,
    state_of,
    status_of,
    succeeded,
)


def _each_outcome(uuid: str, queue: str, token: int) -> list[Outcome]:
    callback = a_message("callback")
    return [
        Succeeded(uuid, queue, token, b"result", FOR_EVER, "root", callback),
        Retried(uuid, queue, token, 0, 1),
        Failed(uuid, queue, token, ERROR, 1_000_000),
        Released(uuid, queue, token),
        Lost(uuid, queue, token, True),
    ]


def _nothing_was_written(backend: Backend) -> bool:
    return (
        backend.results.get(["a", "callback"]) == [None, None]
        and backend.results.descendants("root") == []
        and backend.messages.dead_letter("q", "a") is None
        and not backend.messages.exists("q", "callback")
    )


@pytest.mark.parametrize("n", range(5))
def test_a_stale_token_is_refused(backend: Backend, actor: Actors, n: int) -> None:
    """An outcome under the token of an earlier claim is refused, and nothing of it is written."""
    worker, other = actor(), actor()
    add(backend, "a")
    old = worker.claim_one()
    worker.step(released(old), limit=0)
    current = other.claim_one()
    assert worker.step(_each_outcome("a", "q", old.token)[n], limit=0).refused == ["a"]
    assert _nothing_was_written(backend)
    assert status_of(backend, "a") == TaskStatus.RUNNING
    assert other.held() == [current]
    assert other.step(succeeded(current), limit=0).refused == []


@pytest.mark.parametrize("n", range(5))
def test_a_foreign_token_is_refused(backend: Backend, actor: Actors, n: int) -> None:
    """An outcome under the current token of another worker is refused, and nothing of it is written."""
    worker, other = actor(), actor()
    add(backend, "a")
    current = other.claim_one()
    assert worker.step(_each_outcome("a", "q", current.token)[n], limit=0).refused == ["a"]
    assert _nothing_was_written(backend)
    assert other.held() == [current]


@pytest.mark.parametrize("n", range(5))
def test_outcomes_of_what_is_not_there_are_refused(backend: Backend, actor: Actors, n: int) -> None:
    """An outcome of a message that is unknown, only ready, or under a made-up token is refused."""
    worker = actor()
    add(backend, "a")
    assert worker.step(_each_outcome("unknown", "q", 1)[n], limit=0).refused == ["unknown"]
    assert worker.step(_each_outcome("a", "q", 0)[n], limit=0).refused == ["a"]
    claimed = worker.claim_one()
    assert worker.step(_each_outcome("a", "q", claimed.token + 1)[n], limit=0).refused == ["a"]
    assert _nothing_was_written(backend)
    assert worker.held() == [claimed]


@pytest.mark.parametrize("n", range(5))
def test_the_queue_of_an_outcome_is_not_looked_at(backend: Backend, actor: Actors, n: int) -> None:
    """Uuid and token name a claim: an outcome that names another queue ends it all the same, in the claim's queue."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    assert worker.step(_each_outcome("a", "elsewhere", claimed.token)[n], limit=0).refused == []
    assert worker.held() == []
    assert not backend.messages.exists("elsewhere", "a")
    assert backend.messages.dead_letter("elsewhere", "a") is None
    assert (state_of(backend, "a") == "ready") == (n in (1, 3, 4))
    assert (backend.messages.dead_letter("q", "a") is not None) == (n == 2)


@pytest.mark.parametrize("n", range(5))
def test_an_outcome_under_the_token_of_another_message_is_refused(
    backend: Backend, actor: Actors, n: int
) -> None:
    """The token of a claim ends that claim only, whatever else the same worker holds."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    assert worker.step(_each_outcome("a", "q", two.token)[n], limit=0).refused == ["a"]
    assert worker.held() == [one, two]
    assert _nothing_was_written(backend)


def test_a_second_outcome_of_one_claim_is_refused(backend: Backend, actor: Actors) -> None:
    """The first outcome ends the claim; another one is refused, in the same step and later."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    assert worker.step(succeeded(claimed), died(claimed), limit=0).refused == ["a"]
    assert worker.step(retried(claimed), limit=0).refused == ["a"]
    assert result_of(backend, "a") == b"result"
    assert backend.messages.dead_letter("q", "a") is None


def test_accepted_and_refused_outcomes_go_their_own_ways(backend: Backend, actor: Actors) -> None:
    """A refused outcome does not hold up the others of its step."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    backend.messages.remove("q", "a")
    step = worker.step(succeeded(one), succeeded(two), limit=0)
    assert step.refused == ["a"]
    assert (result_of(backend, "a"), result_of(backend, "b")) == (None, b"result")


def test_outcomes_of_an_unregistered_worker_change_nothing(backend: Backend, actor: Actors) -> None:
    """What a retired worker still sends is refused as a whole."""
    worker = actor()
    add(backend, "a")
    claimed = worker.claim_one()
    worker.retire()
    with pytest.raises(WorkerUnknownError):
        worker.step(succeeded(claimed))
    assert _nothing_was_written(backend)
    assert state_of(backend, "a") == "ready"
