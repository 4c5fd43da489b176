"""A backend with `max_payload` refuses what is larger, with a sentence, and nothing of it reaches the store."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from alsek import (
    Broker,
    Compressed,
    Consumer,
    Group,
    JsonSerializer,
    MemoryBackend,
    Message,
    ResultStore,
    SQLiteBackend,
    Unique,
    task,
)
from alsek.exceptions import PayloadTooLargeError, TaskFailedError, ValidationError
from tests.contract.draining import drain

MOST = 1_500
SMALL, LARGE = "x" * 100, "x" * 3_000
HOW_LARGE = r"it has [\d,]+ bytes, and this backend takes 1,500 \(max_payload\)\. Store it elsewhere"


@pytest.fixture
def broker() -> Broker:
    backend = MemoryBackend(max_payload=MOST)
    return Broker(backend, result_store=ResultStore(backend))


def test_a_message_that_is_too_large_is_refused_and_named(broker: Broker) -> None:
    @task(broker)
    def save(text: str) -> None: ...

    with pytest.raises(PayloadTooLargeError, match=rf"task 'save': Message.*: {HOW_LARGE}"):
        save.send(LARGE)
    assert save.send(SMALL).uuid
    assert broker.backend.messages.count("alsek_queue") == 1


def test_one_of_many_is_refused_by_its_number(broker: Broker) -> None:
    @task(broker)
    def save(text: str) -> None: ...

    with pytest.raises(PayloadTooLargeError, match=rf"call 1 of save.*{HOW_LARGE}.*Nothing was submitted"):
        save.generate_many([(SMALL,), (LARGE,)])
    assert broker.backend.messages.count("alsek_queue") == 0


def test_the_callbacks_of_a_message_count(broker: Broker) -> None:
    @task(broker)
    def save(text: str) -> None: ...

    callback = save.defer().generate((LARGE[:1_300],))
    with pytest.raises(PayloadTooLargeError, match="with its callbacks: it has"):
        save.generate((LARGE[:1_300],), callback=callback)


def test_a_result_that_is_too_large_fails_its_message_for_good(broker: Broker) -> None:
    @task(broker)
    def make() -> str:
        return LARGE

    message = make.send()
    drain(broker, make)
    with pytest.raises(TaskFailedError, match=rf"task 'make' returned str, which can't be kept: {HOW_LARGE}"):
        make.result(message, timeout=60_000)
    assert broker.in_dlq(message)


def test_a_member_whose_result_is_too_large_fails_its_group(broker: Broker) -> None:
    @task(broker, result_store=False)
    def make(text: str) -> str:
        return text * 30

    group = Group(make.defer().generate_many([(SMALL,), ("",)]))
    group.submit()
    drain(broker, make)
    assert group.progress().failed == 1


def test_a_callback_that_previous_results_make_too_large_fails_its_parent(broker: Broker) -> None:
    @task(broker)
    def make() -> str:
        return "x" * 1_000

    @task(broker)
    def save(text: str, message: Message) -> None: ...

    message = make.generate(callback=save.defer().generate((SMALL * 9,)))
    drain(broker, make, save)
    assert broker.in_dlq(message)
    assert "max_payload" in str(next(broker.dead_letters("alsek_queue")).exception_details)


def test_a_value_that_is_too_large_is_refused(broker: Broker) -> None:
    with pytest.raises(PayloadTooLargeError, match=HOW_LARGE):
        broker.backend.set("name", LARGE)
    assert broker.backend.get("name") is None


def test_what_a_serializer_compresses_counts_as_it_is_stored() -> None:
    backend = MemoryBackend(serializer=Compressed(JsonSerializer()), max_payload=MOST)
    backend.set("name", LARGE)
    with pytest.raises(PayloadTooLargeError):
        backend.set("name", os.urandom(3_000).hex())


def test_what_was_stored_without_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SQLiteBackend(path).set("name", LARGE)
    assert SQLiteBackend(path, max_payload=MOST).get("name") == LARGE


@pytest.mark.parametrize("size", [MOST - 10, 3_000])
def test_what_was_stored_without_the_limit_is_retried_and_replayed(tmp_path: Path, size: int) -> None:
    """A limit that comes later strands no message: a new one is refused, and one that was made larger by hand."""
    path = str(tmp_path / "store.db")
    bare = len(Message("t", uuid="m0").pack(JsonSerializer()))
    for number in range(2):
        args = ("x" * (size - bare),)
        Broker(SQLiteBackend(path)).submit(Message("t", args=args, uuid=f"m{number}"))
    broker = Broker(SQLiteBackend(path, max_payload=MOST))
    stream = Consumer(broker).stream()
    broker.retry(next(stream))
    broker.fail(next(stream))
    broker.replay(next(iter(broker.dead_letters("alsek_queue"))))
    messages = broker.backend.messages
    found = {uuid: messages.get("alsek_queue", uuid) for uuid in ("m0", "m1")}
    assert [stored is not None and stored.state for stored in found.values()] == ["delayed", "ready"]
    broker.fail("m1")
    broker.replay("m1")
    larger = next(stream)
    larger.kwargs = {"more": LARGE}
    with pytest.raises(PayloadTooLargeError):
        broker.retry(larger)
    stream.close()


def test_the_limit_goes_along_with_copies_of_a_backend(tmp_path: Path) -> None:
    backend = SQLiteBackend(tmp_path / "store.db", max_payload=MOST)
    for copy in (backend.within(100), backend.durable(), pickle.loads(pickle.dumps(backend))):
        assert copy.max_payload == MOST
    assert MemoryBackend().max_payload is None


def test_the_limit_does_not_change_the_text_of_a_unique_key() -> None:
    keys = []
    for most in (None, MOST):
        broker = Broker(MemoryBackend(max_payload=most))

        @task(broker, unique=Unique())
        def save(text: str) -> None: ...

        submission = save.generate((SMALL,), submit=False).submission(broker.backend.serializer)
        keys.append(submission.unique)
    assert keys[0] == keys[1]


@pytest.mark.parametrize("most", [0, -1, 1.5, "1 MB", True])
def test_a_limit_that_is_no_number_of_bytes_is_refused(most: Any) -> None:
    with pytest.raises(ValidationError, match="max_payload"):
        MemoryBackend(max_payload=most)
