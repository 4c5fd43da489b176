"""Each declared field of a header that a producer sets goes through a store, whatever is done to the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.header import TAIL, Field, Kind
from alsek.storage.backends.records import GroupPlace, Limit, Stored, Submission, UniqueKey
from tests.contract.stores import Store
from tests.contract.workers import Actor, a_message, add, lost, released, retried, succeeded

Actors = Callable[..., Actor]

_EXAMPLES: dict[Kind, Any] = {
    Kind.NUMBER: 7,
    Kind.DURATION: 60_000,
    Kind.FLAG: True,
    Kind.WORD: "word",
    Kind.NAME: "name",
    Kind.TEXT: "a;b|c=\n%é",
    Kind.BYTES: b'{"text": "a;b|c=%"}',
    Kind.UNIQUE: UniqueKey("é:key=", "ended", "replace", 5),
    Kind.LIMITS: (Limit("é:key=", 1000), Limit("key", 1000, 60_000)),
    Kind.PLACE: GroupPlace("group", 3),
}


def of_producer() -> list[Field]:
    """The fields of the tail that a producer sets."""
    return [field for field in TAIL if field.writer == "producer"]


def a_message_with_all(uuid: str, **fields: Any) -> Submission:
    """A submission with a value of each of them that is not the default."""
    values = {field.name: _EXAMPLES[field.kind] for field in of_producer()}
    values["unique"] = UniqueKey(f"key of {uuid}")
    return a_message(uuid, **values, **fields)


def check(backend: Backend, submission: Submission) -> None:
    """The message is stored with the values of its submission."""
    stored = backend.messages.get(submission.queue, submission.uuid)
    assert stored is not None
    shown = [field.name for field in of_producer() if field.name in Stored._fields]
    assert [getattr(stored, name) for name in shown] == [getattr(submission, name) for name in shown]


@pytest.mark.parametrize("delay", [0, 10])
def test_a_submitted_field_is_stored(backend: Backend, delay: int) -> None:
    """Alone, or among others; ready, or delayed; and the defaults are."""
    batch = [a_message_with_all(uuid, delay=delay) for uuid in "abc"]
    plain = a_message("plain", delay=delay)
    add(backend, batch[0])
    add(backend, *batch[1:], plain)
    for submission in (*batch, plain):
        check(backend, submission)


def test_a_field_outlasts_every_move(backend: Backend, store: Store, actor: Actors) -> None:
    """Promotion, claim, release, loss, retry, revocation and a retry by hand leave it as it is."""
    worker = actor()
    submission = a_message_with_all("a", delay=10, ttl=60_000)
    add(backend, submission)
    store.advance(10)
    for outcome in (released, lost, retried, lambda claimed: retried(claimed, b"edited")):
        claimed = worker.claim_one()
        check(backend, submission)
        worker.step(outcome(claimed), limit=0)
        check(backend, submission)
    backend.messages.revoke("q", "a")
    check(backend, submission)
    backend.messages.reschedule(retried(worker.claim_one()))
    check(backend, submission)


def test_a_field_of_a_callback_is_stored(backend: Backend, actor: Actors) -> None:
    """A callback is a submission like any other."""
    worker = actor()
    add(backend, "a")
    callback = a_message_with_all("b")
    worker.step(succeeded(worker.claim_one(), callback=callback), limit=0)
    check(backend, callback)
