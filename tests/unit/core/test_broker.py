"""The broker, on messages that nobody holds."""

from __future__ import annotations

import pytest

from alsek.core.broker import Broker
from alsek.core.groups.group import Group
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import task
from alsek.defaults import DEDUP_WINDOW
from alsek.exceptions import (
    BackendUnavailableError,
    MessageAlreadyExistsError,
    MessageDoesNotExistsError,
    SerializationError,
    ValidationError,
)
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend, a_session, claim


def test_a_broker_needs_a_backend(backend: MemoryBackend) -> None:
    """Something else than a backend, or a dlq_ttl that ends nothing, is refused at once."""
    with pytest.raises(ValidationError, match="not a backend"):
        Broker("redis://localhost")  # type: ignore[arg-type]
    for ttl in (0, -1):
        with pytest.raises(ValidationError, match="dlq_ttl"):
            Broker(backend, dlq_ttl=ttl)
    assert Broker(backend).dlq_ttl == 7 * 24 * 3_600_000
    assert "dlq_ttl=None" in repr(Broker(backend, dlq_ttl=None))


def test_submit_puts_the_message_into_its_queue(broker: Broker) -> None:
    """It exists, it is counted, and it is what was submitted."""
    message = Message("t", "math_ops", args=(1,))
    assert not broker.exists(message)
    broker.submit(message)
    assert broker.exists(message)
    assert broker.backend.count("queues:math_ops") == 1
    assert broker.sync_from_backend(message) == message


def test_only_messages_are_submitted(broker: Broker) -> None:
    """Something else is refused with a sentence, and nothing beside it is submitted."""
    message = Message("t")
    for given in (Group([]), "uuid", None):
        with pytest.raises(ValidationError, match=r"can't be submitted by a broker: .* Group.submit\(\)"):
            broker.submit(given)  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="no message"):
            broker.submit_many([message, given])  # type: ignore[list-item]
    assert not broker.exists(message)


def test_submit_refuses_a_uuid_that_exists(broker: Broker, clock: Clock) -> None:
    """The error names the state of the existing message. After the window the uuid is new again."""
    message = Message("t")
    broker.submit(message)
    with pytest.raises(MessageAlreadyExistsError, match=r"exists \(ready\): submit it under another uuid"):
        broker.submit(message)
    with pytest.raises(MessageAlreadyExistsError):
        broker.submit(Message("t", "another_queue", uuid=message.uuid))
    claimed = claim(broker)
    with pytest.raises(MessageAlreadyExistsError, match=r"exists \(claimed\)"):
        broker.submit(message)
    broker.ack(claimed)
    with pytest.raises(MessageAlreadyExistsError, match="was finished less than 60 s ago: submit it under"):
        broker.submit(message)
    clock.advance(DEDUP_WINDOW + 1)
    broker.submit(message)


def test_submit_with_a_ttl(broker: Broker, clock: Clock) -> None:
    """A message that was ready for longer is marked as expired when it is claimed."""
    with pytest.raises(ValidationError, match="ttl"):
        broker.submit(Message("t"), ttl=0)
    broker.submit(Message("t"), ttl=10)
    clock.advance(11)
    assert handed_out(broker)[0].expired


def handed_out(broker: Broker) -> list[Claimed]:
    """What a worker is handed."""
    return a_session(broker.backend).step((), {"any": 5}).claimed


def test_submit_many(broker: Broker) -> None:
    """All are submitted; those whose uuid exists come back, the first of two in one call is taken."""
    old = Message("t", uuid="old")
    broker.submit(old)
    first, second = Message("t", uuid="twice", args=(1,)), Message("t", uuid="twice", args=(2,))
    fresh = [Message("t", f"q{number}") for number in range(500)]
    refused = broker.submit_many(iter([*fresh, old, first, second]))
    assert [message.uuid for message in refused] == ["old", "twice"]
    assert refused[1] is second
    assert all(broker.exists(message) for message in fresh)
    assert broker.sync_from_backend(second).args == (1,)
    assert broker.submit_many([]) == []


def test_submit_many_is_all_or_nothing_in_serialization(broker: Broker) -> None:
    """One message that can't be serialized, and none is submitted."""
    with pytest.raises(SerializationError):
        broker.submit_many([Message("t"), Message("t", args=(object(),))])
    assert broker.backend.messages.queues() == []


def test_retry_counts_and_waits(broker: Broker, clock: Clock) -> None:
    """The retry is counted here and in the store, which hands the message out after the backoff and not before."""
    message = Message("t")
    broker.submit(message)
    broker.retry(message)
    assert message.retries == 1
    assert broker.sync_from_backend(message).retries == 1
    assert message.ready_at == message.updated_at + 60_000
    clock.advance(59_999)
    assert handed_out(broker) == []
    clock.advance(1)
    assert claim(broker).retries == 1


def test_retry_by_hand_takes_the_backoff(broker: Broker, clock: Clock) -> None:
    """The delay that an earlier retry asked for was meant for that one."""
    message = Message("t", retries=1, retry_delay=0)
    broker.submit(message)
    broker.retry(message)
    assert message.retry_delay is None
    assert handed_out(broker) == []
    clock.advance(message.backoff.get(2))
    assert len(handed_out(broker)) == 1


def test_retry_of_what_is_not_there(broker: Broker) -> None:
    """It is an error, and the message stays as it was."""
    message = Message("t")
    with pytest.raises(MessageDoesNotExistsError):
        broker.retry(message)
    assert message.retries == 0


@pytest.mark.parametrize("method", ["remove", "ack"])
def test_remove(broker: Broker, method: str) -> None:
    """It is gone, and not among the dead letters; twice is no error."""
    message = Message("t")
    broker.submit(message)
    getattr(broker, method)(message)
    getattr(broker, method)(message)
    assert not broker.exists(message)
    assert not broker.in_dlq(message)
    assert broker.backend.count("queues:alsek_queue") == 0


def test_fail_moves_to_the_dead_letters(broker: Broker, clock: Clock) -> None:
    """The dead message keeps its data and its exception, for dlq_ttl."""
    message = Message("t", args=(1,))
    broker.submit(message)
    broker.fail(message, ValueError("no good"))
    assert not broker.exists(message)
    assert broker.in_dlq(message)
    dead = broker.sync_from_backend(message)
    assert dead.args == (1,)
    assert dead.exception_details == {"name": "ValueError", "text": "no good", "traceback": None}
    assert [m.uuid for m in broker.dead_letters("alsek_queue")] == [message.uuid]
    broker.fail(message)  # again: no harm
    clock.advance(7 * 24 * 3_600_000)
    assert not broker.in_dlq(message)


def test_fail_without_an_error_keeps_what_the_message_knows(broker: Broker) -> None:
    """The message's own details are kept; without any, the dead letter says who failed it."""
    known = Message("t", exception_details={"name": "E", "text": "\ud800", "traceback": "x"})
    plain = Message("t")
    broker.submit_many([known, plain])
    broker.fail(known)
    broker.fail(plain)
    assert broker.sync_from_backend(known).exception_details == known.exception_details
    details = broker.sync_from_backend(plain).exception_details
    assert details is not None
    assert "Broker.fail()" in details["text"]


def test_fail_without_dead_letters(backend: MemoryBackend) -> None:
    """With the queue turned off, the message is gone."""
    broker = Broker(backend, dlq_ttl=None)
    message = Message("t")
    broker.submit(message)
    broker.fail(message)
    assert not broker.exists(message)
    assert not broker.in_dlq(message)


def test_fail_of_what_is_not_there(broker: Broker) -> None:
    """It is an error."""
    with pytest.raises(MessageDoesNotExistsError):
        broker.fail(Message("t"))


def test_replay(broker: Broker, clock: Clock) -> None:
    """A dead message comes back as if it had just been submitted: ready, without retries and exception."""
    message = Message("t", args=(1,), retries=3, retry_delay=9, delay=50_000)
    broker.submit(message)
    broker.fail(message, ValueError("x"))
    (dead,) = broker.dead_letters("alsek_queue")
    broker.replay(dead)
    assert not broker.in_dlq(message)
    again = claim(broker)
    assert (again.uuid, again.args) == (message.uuid, (1,))
    assert (again.retries, again.retry_delay, again.delay, again.exception_details) == (0, None, 0, None)
    broker.replay(dead)  # again, since an answer was lost, say: no harm
    assert broker.backend.count("queues:alsek_queue") == 1


def test_replay_of_what_is_not_dead(broker: Broker) -> None:
    """It is an error, whether the message waits or is nowhere."""
    message = Message("t")
    with pytest.raises(MessageDoesNotExistsError):
        broker.replay(message)
    broker.submit(message)
    with pytest.raises(MessageDoesNotExistsError):
        broker.replay(message)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_replay_may_be_repeated_after_a_lost_answer(clock: Clock, lost: str) -> None:
    """Whether the store had done it or not: the second call is no error, and the message is there once."""
    backend = LossyBackend(clock)
    broker = Broker(backend)
    message = Message("t", args=(1,))
    broker.submit(message)
    broker.fail(message)
    backend.plan.append(lost)
    with pytest.raises(BackendUnavailableError):
        broker.replay(message)
    broker.replay(message)
    assert not broker.in_dlq(message)
    assert claim(broker).args == (1,)
    assert handed_out(broker) == []


def a_stand_in(message: Message) -> Message:
    """All that a line of a log gives of it."""
    return Message(message.task_name, message.queue, uuid=message.uuid)


def test_a_stand_in_names_the_stored_message(broker: Broker) -> None:
    """What is replayed or retried is what the store has, with its arguments, callbacks and count of retries."""
    message = Message("t", "mail", args=("a@example.com",), priority=3, metadata={"m": 1})
    message.append_callback(Message("then"))
    broker.submit(message)
    broker.fail(a_stand_in(message), ValueError("smtp"))
    broker.replay(a_stand_in(message))
    stored = broker.sync_from_backend(a_stand_in(message))
    assert {**stored.data, "created_at": 0, "updated_at": 0} == {
        **message.data,
        "created_at": 0,
        "updated_at": 0,
    }
    for retries in (1, 2):
        stand_in = a_stand_in(message)
        broker.retry(stand_in)
        assert stand_in.retries == retries
        stored = broker.sync_from_backend(stand_in)
        assert (stored.args, stored.retries, stored.priority) == (("a@example.com",), retries, 3)
        assert stored.descendant_uuids == message.descendant_uuids
    assert broker.revoke(a_stand_in(message))
    assert broker.is_revoked(message)
    broker.ack(a_stand_in(message))
    assert not broker.exists(message)


@pytest.mark.parametrize("deed", ["retry", "replay", "fail"])
def test_a_stand_in_with_another_queue_names_nothing(broker: Broker, deed: str) -> None:
    """A uuid alone is not enough: the error says what was looked for, and nothing is changed."""
    message = Message("t", "mail")
    broker.submit(message)
    with pytest.raises(MessageDoesNotExistsError, match="queue='other'"):
        getattr(broker, deed)(Message("t", "other", uuid=message.uuid))
    assert broker.sync_from_backend(message) == message


def test_what_was_changed_in_a_message_that_was_read_is_stored(broker: Broker) -> None:
    """A dead letter can be mended before it is replayed, and a held or stored message noted on before its retry."""
    message = Message("t", args=("wrong",))
    broker.submit(message)
    broker.fail(message)
    (dead,) = broker.dead_letters("alsek_queue")
    dead.args = ("right",)
    broker.replay(dead)
    held = claim(broker)
    assert held.args == ("right",)
    held.metadata = "held"
    broker.retry(held)
    read = broker.sync_from_backend(message)
    assert (read.metadata, read.retries) == ("held", 1)
    broker.retry(message)  # meanwhile, by another
    read.metadata = "read"
    broker.retry(read)
    stored = broker.sync_from_backend(message)
    assert (stored.metadata, stored.retries, read.retries) == ("read", 3, 3)


def test_an_unreadable_dead_letter_hides_no_other(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and left where it is; the letters after it are told."""
    broken, sound = Message("t"), Message("t")
    submission = broken.submission(broker.backend.serializer)._replace(payload=b"\xff")
    broker.backend.messages.add([submission], "r")
    broker.submit(sound)
    broker.fail(broken)
    broker.fail(sound)
    assert [letter.uuid for letter in broker.dead_letters("alsek_queue")] == [sound.uuid]
    assert broken.uuid in caplog.text
    assert broker.in_dlq(broken)


def test_sync_of_what_is_nowhere(broker: Broker) -> None:
    """It is an error."""
    with pytest.raises(MessageDoesNotExistsError):
        broker.sync_from_backend(Message("t"))


def test_revocation(broker: Broker) -> None:
    """A revoked message stays, marked; a worker is told when it is handed out."""
    message = Message("t")
    assert not broker.revoke(message)
    broker.submit(message)
    assert not broker.is_revoked(message)
    assert broker.revoke(message)
    assert broker.is_revoked(message)
    assert handed_out(broker)[0].revoked


def test_statuses_follow(broker: Broker, backend: MemoryBackend) -> None:
    """What the broker does to a tracked message shows in its status."""
    tracker = StatusTracker(backend)
    made = task(broker, status_tracker=tracker)(lambda: None)
    message = made.generate()
    assert tracker.get(message) is TaskStatus.SUBMITTED
    broker.retry(message)
    assert tracker.get(message) is TaskStatus.RETRYING
    broker.fail(message)
    assert tracker.get(message) is TaskStatus.FAILED
    broker.replay(message)
    assert tracker.get(message) is TaskStatus.SUBMITTED
