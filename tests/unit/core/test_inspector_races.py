"""What the inspector says of a message that moves while it is looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.inspector import Inspector
from alsek.core.inspection.messages import MessageInfo
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import FOR_EVER, TaskStatus
from tests.clock import Clock
from tests.contract.workers import DLQ_TTL, ERROR, Actor, a_message, add, an_actor, succeeded, the_facts


@pytest.fixture
def worker(backend: MemoryBackend) -> Actor:
    """A worker that has any task."""
    return an_actor(backend, facts=the_facts("t"))


@pytest.fixture
def inspector(backend: MemoryBackend) -> Inspector:
    """What looks."""
    return Inspector(backend)


def _before(port: Any, name: str, *actions: Callable[[], object]) -> None:
    """Do one of these before each of the next calls of this method of a port."""
    real, left = getattr(port, name), list(actions)

    def meddled(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop(0)()
        return real(*args, **kwargs)

    setattr(port, name, meddled)


def _find(inspector: Inspector, uuid: str = "a") -> MessageInfo:
    info = inspector.find(uuid)
    assert isinstance(info, MessageInfo)
    return info


def test_a_replay_between_two_looks(backend: MemoryBackend, inspector: Inspector) -> None:
    """It was no message when it was looked for, and no dead letter afterwards: it is looked for again."""
    add(backend, "a")
    backend.messages.fail("q", "a", ERROR, DLQ_TTL)
    (letter,) = backend.messages.find_dead("a")
    _before(backend.messages, "find_dead", lambda: backend.messages.replay(a_message("a"), letter.died_at))
    assert _find(inspector).state == "ready"


def test_a_submission_between_two_looks(backend: MemoryBackend, inspector: Inspector) -> None:
    """As for any message that comes meanwhile."""
    _before(backend.messages, "find_dead", lambda: add(backend, a_message("a", status_ttl=0)))
    assert inspector.why("a").code == "no_worker"


def test_a_claim_before_its_place_is_asked_for(
    backend: MemoryBackend, inspector: Inspector, worker: Actor
) -> None:
    """Then it runs."""
    add(backend, "a")
    _before(backend.messages, "place", worker.claim)
    assert inspector.why("a").code == "running"


def test_a_worker_that_has_gone_before_it_is_asked_for(
    backend: MemoryBackend, inspector: Inspector, worker: Actor
) -> None:
    """What it held is ready again, in the same step."""
    add(backend, "a")
    worker.claim()
    _before(backend.messages, "workers", worker.retire)
    info = _find(inspector)
    assert (info.state, info.worker) == ("ready", None)


def test_an_end_while_it_is_looked_at(backend: MemoryBackend, inspector: Inspector, worker: Actor) -> None:
    """Its status says so already: it has ended."""
    add(backend, "a")
    claim = worker.claim_one()
    _before(backend.statuses, "get", lambda: worker.step(succeeded(claim), limit=0))
    info = _find(inspector)
    assert (info.state, info.status, info.has_result) == ("succeeded", "SUCCEEDED", True)


def test_a_failure_while_it_is_looked_for(
    backend: MemoryBackend, inspector: Inspector, worker: Actor
) -> None:
    """It is among the dead letters then."""
    add(backend, "a")
    _before(backend.messages, "place", lambda: backend.messages.fail("q", "a", ERROR, DLQ_TTL))
    assert isinstance(inspector.find("a"), DeadInfo)


def test_a_message_that_never_stands_still(
    backend: MemoryBackend, inspector: Inspector, worker: Actor
) -> None:
    """The inspector gives up after some readings, and says what it saw last."""
    add(backend, "a")
    moves: list[Callable[[], object]] = [lambda: backend.messages.remove("q", "a")]
    _before(backend.messages, "place", *moves * 100)
    _before(backend.messages, "find", *[lambda: add(backend, "a")] * 100)
    answer = inspector.why("a")
    assert answer.code == "behind"
    assert "its place in its queue changes just now" in answer.text


def test_a_holder_of_which_nothing_is_known(
    backend: MemoryBackend,
    inspector: Inspector,
    worker: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its id is told all the same."""
    add(backend, a_message("a", status_ttl=0))
    worker.claim()
    monkeypatch.setattr(backend.messages, "workers", list)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["worker"], answer.facts["last_beat"]) == (
        "running",
        worker.worker.id,
        None,
    )
    assert answer.text == (
        f"Message a in queue 'q' runs on worker {worker.worker.id}, which has not told where it is, attempt 1."
    )


def test_a_stored_message_with_a_final_status(backend: MemoryBackend, inspector: Inspector) -> None:
    """A user may have written it: after another look it stays."""
    add(backend, "a")
    backend.statuses.put("a", TaskStatus.FAILED, ttl=FOR_EVER)
    info = _find(inspector)
    assert (info.state, info.status) == ("ready", "FAILED")


def test_a_queue_that_is_gone_before_its_front_is_read(backend: MemoryBackend, inspector: Inspector) -> None:
    """Its numbers are those of the moment before."""
    add(backend, "a", a_message("b", queue="r"))
    _before(backend.messages, "fronts", lambda: backend.messages.remove("q", "a"))
    q, _ = inspector.queues()
    assert (q.name, q.ready, q.oldest_ready_age) == ("q", 1, None)


@pytest.mark.parametrize("name", ["find", "find_dead", "place", "workers", "tallies", "now"])
def test_a_store_that_goes_away(
    backend: MemoryBackend, inspector: Inspector, clock: Clock, name: str
) -> None:
    """The error says so, at whatever call."""
    if name != "find_dead":
        add(backend, "a")

    def away() -> None:
        raise BackendUnavailableError("the store can't be reached")

    _before(backend.messages, name, away)
    with pytest.raises(BackendUnavailableError):
        inspector.why("a")
