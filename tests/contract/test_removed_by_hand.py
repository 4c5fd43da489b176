"""A submission repeated after its reply was lost, when someone has removed the message by hand meanwhile."""

from __future__ import annotations

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ACCEPTED
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    a_request,
    add,
    died,
    replay,
    state_of,
    succeeded,
)


def _remove(messages: MessagePort, how: str) -> None:
    removed = messages.remove("q", "a") if how == "remove" else messages.fail("q", "a", ERROR, DLQ_TTL)
    assert removed


@pytest.mark.parametrize("how", ["remove", "fail"])
@pytest.mark.parametrize("delay", [0, 5_000])
def test_the_same_request_again_is_accepted_and_stores_nothing(
    backend: Backend, messages: MessagePort, how: str, delay: int
) -> None:
    """The request that brought a message is accepted again after its removal by hand; the message stays away."""
    request = a_request()
    for _ in range(2):
        assert messages.add([a_message("a", delay=delay)], request) == [ACCEPTED]
        if messages.exists("q", "a"):
            _remove(messages, how)
    assert state_of(backend, "a") is None
    assert messages.count("q") == 0
    assert (messages.dead_letter("q", "a") is not None) == (how == "fail")


@pytest.mark.parametrize("how", ["remove", "fail"])
def test_the_same_request_again_in_a_batch(backend: Backend, messages: MessagePort, how: str) -> None:
    """A repeated batch does not store a message that was removed by hand, but one that never arrived."""
    request = a_request()
    messages.add([a_message("a")], request)
    _remove(messages, how)
    assert messages.add([a_message("a"), a_message("b")], request) == [ACCEPTED, ACCEPTED]
    assert (state_of(backend, "a"), state_of(backend, "b")) == (None, "ready")


@pytest.mark.parametrize("how", ["remove", "fail"])
def test_another_request_stores_it_at_once(backend: Backend, messages: MessagePort, how: str) -> None:
    """To any other request a uuid is new as soon as its message was removed by hand."""
    add(backend, "a")
    _remove(messages, how)
    assert add(backend, "a") == [True]
    assert state_of(backend, "a") == "ready"


def test_the_removal_is_remembered_for_the_window(
    backend: Backend, messages: MessagePort, store: Store
) -> None:
    """A request repeated after the window counts as a new one."""
    request = a_request()
    messages.add([a_message("a")], request)
    _remove(messages, "remove")
    store.advance(DEDUP_WINDOW - 1)
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    assert state_of(backend, "a") is None
    store.advance(1)
    assert messages.add([a_message("a")], request) == [ACCEPTED]
    assert state_of(backend, "a") == "ready"


def test_the_last_end_of_a_uuid_counts(
    backend: Backend, messages: MessagePort, store: Store, actor: Actors
) -> None:
    """A uuid that ended several times within the window is as new as its last end says."""
    worker = actor()
    add(backend, "a", "b")
    _, two = worker.claim()
    messages.remove("q", "a")
    worker.step(died(two), limit=0)
    store.advance(DEDUP_WINDOW // 2 + 1)
    assert add(backend, "a") == [True]
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert replay(messages, a_message("b"))
    messages.remove("q", "b")
    store.advance(DEDUP_WINDOW // 3)
    assert add(backend, "a", "b") == [False, True]
