"""The consumer: messages for whoever wants to process them by hand."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.backoff import ConstantBackoff, LinearBackoff
from alsek.core.broker import Broker
from alsek.core.consumer import Consumer
from alsek.core.execution.conclusions import Conclusion, dead_letter
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.reporting.progress import Progress, progress_from_wire
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import task
from alsek.exceptions import BackendError, BackendUnavailableError, ClaimLostError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Claimed
from tests.clock import Clock
from tests.unit.core.fakes import PATIENCE, Elsewhere, LossyBackend, a_session
from tests.waiting import eventually


@pytest.fixture
def consumer(broker: Broker) -> Iterator[Consumer]:
    """A consumer of everything."""
    with Consumer(broker) as made:
        yield made


def handed_out(broker: Broker) -> list[Claimed]:
    """What another worker may take now."""
    return a_session(broker.backend).step((), {"any": 10}).claimed


def test_the_documented_defaults(consumer: Consumer) -> None:
    """All queues, and a linear backoff between a second and half a minute."""
    assert consumer.queues is None
    assert consumer.backoff == LinearBackoff(1_000, floor=1_000, ceiling=30_000)


def test_messages_come_with_their_claim(broker: Broker, consumer: Consumer) -> None:
    """Each is held by the consumer alone, and can be acknowledged once."""
    broker.submit_many([Message("t", args=(number,)) for number in range(3)])
    for number, message in enumerate(consumer.stream()):
        assert message.args == (number,)
        assert message.token is not None
        assert broker.exists(message)
        broker.ack(message)
        with pytest.raises(ClaimLostError):
            broker.ack(message)
        if number == 2:
            break
    assert broker.backend.count("queues:alsek_queue") == 0


def test_queues_are_drained_in_their_order(broker: Broker) -> None:
    """As given; without any given, in alphabetical order; others are left alone."""
    broker.submit_many([Message("t", name) for name in ("a", "b", "c", "b")])
    with Consumer(broker, ["c", "b"]) as consumer:
        stream = consumer.stream()
        assert [next(stream).queue for _ in range(3)] == ["c", "b", "b"]
        stream.close()
    with Consumer(broker) as consumer:
        stream = consumer.stream()
        assert [next(stream).queue for _ in range(4)] == ["a", "b", "b", "c"]
        stream.close()
    with pytest.raises(ValidationError):
        Consumer(broker, ["white space"])
    gc.collect()  # one that could not be made leaves nothing to complain of


def test_every_mechanism_is_taken(broker: Broker, consumer: Consumer) -> None:
    """Whatever pool a message wishes for, a consumer takes it."""
    wanted = ("any", "thread", "process")
    broker.submit_many([Message("t", mechanism_wish=wish) for wish in wanted])
    stream = consumer.stream()
    assert [next(stream).mechanism_wish for _ in wanted] == list(wanted)


def test_closing_gives_back(broker: Broker, backend: MemoryBackend) -> None:
    """What was not finished is ready again at once, uncharged, and its claim is void."""
    tracker = StatusTracker(backend)
    made = task(broker, status_tracker=tracker)(lambda: None)
    message = made.generate()
    consumer = Consumer(broker)
    stream = consumer.stream()
    held = next(stream)
    assert tracker.get(message) is TaskStatus.RUNNING
    consumer.close()
    consumer.close()
    assert list(stream) == []
    assert tracker.get(message) is TaskStatus.SUBMITTED
    with pytest.raises(ClaimLostError):
        broker.ack(held)
    (again,) = handed_out(broker)
    assert (again.uuid, again.losses) == (message.uuid, 0)


def test_leaving_the_loop_keeps_what_it_gave(broker: Broker) -> None:
    """A message is held as long as the consumer lives, also when its stream was left or dropped."""
    broker.submit(Message("t"))
    consumer = Consumer(broker)
    message = next(consumer.stream())
    assert handed_out(broker) == []
    broker.ack(message)
    assert not broker.exists(message)
    consumer.close()


def test_a_consumer_that_is_dropped_gives_back(broker: Broker) -> None:
    """Nobody can finish its messages any more."""
    broker.submit(Message("t"))
    consumer = Consumer(broker)
    stream = consumer.stream()
    next(stream)
    keeper = consumer._keeper
    assert keeper is not None
    stream.close()
    del consumer, stream
    gc.collect()
    keeper.join()
    assert len(handed_out(broker)) == 1


def test_a_consumer_may_be_streamed_again(broker: Broker) -> None:
    """It goes on under the same lease."""
    broker.submit_many([Message("t"), Message("t")])
    with Consumer(broker) as consumer:
        first, second = next(consumer.stream()), next(consumer.stream())
        broker.ack(first)
        broker.ack(second)
    assert broker.backend.count("queues:alsek_queue") == 0


def test_a_closed_consumer_stays_closed(broker: Broker) -> None:
    """It yields nothing and holds nothing."""
    broker.submit(Message("t"))
    consumer = Consumer(broker)
    consumer.close()
    assert list(consumer.stream()) == []
    assert len(handed_out(broker)) == 1


def test_closing_ends_a_sleep(broker: Broker) -> None:
    """A stream that waits for messages ends when another thread closes the consumer."""
    consumer = Consumer(broker, backoff=ConstantBackoff(60_000))
    asleep = threading.Event()
    slumber = consumer._sleep

    def told(*args: object) -> None:
        asleep.set()
        slumber(*args)  # type: ignore[arg-type]

    consumer._sleep = told  # type: ignore[assignment, method-assign]
    streaming = Elsewhere(lambda: list(consumer.stream()))
    assert asleep.wait(PATIENCE)
    consumer.close()
    assert streaming.value() == []


def test_a_wake_up_ends_the_wait(broker: Broker) -> None:
    """The backoff is the longest wait: a message that comes is handed out at once."""
    consumer = Consumer(broker, backoff=ConstantBackoff(60_000))
    asleep = threading.Event()
    slumber = consumer._sleep

    def told(*args: object) -> None:
        asleep.set()
        slumber(*args)  # type: ignore[arg-type]

    consumer._sleep = told  # type: ignore[assignment, method-assign]
    waiting = Elsewhere(lambda: next(consumer.stream()).uuid)
    assert asleep.wait(PATIENCE)
    broker.submit(Message("t", uuid="here"))
    assert waiting.value() == "here"
    consumer.close()


def test_a_delayed_message_ends_the_wait_when_it_is_due(backend: MemoryBackend) -> None:
    """No wake-up comes for time that passes: the consumer's own timer ends the wait."""
    broker = Broker(MemoryBackend())
    broker.submit(Message("t", delay=20))
    with Consumer(broker, backoff=ConstantBackoff(60_000)) as consumer:
        assert next(consumer.stream()).delay == 20


def test_the_lease_is_kept(clock: Clock) -> None:
    """While the consumer lives its lease is renewed, whatever the store answers in between."""
    renewed = threading.Semaphore(0)

    class Counting(MemoryBackend):
        """Fails now and then."""

        calls = 0

    backend = Counting(clock=clock)
    inner = type(backend.messages).renew

    def renew(self: MessagePort, *args: object) -> list[str]:
        Counting.calls += 1
        renewed.release()
        if Counting.calls == 1:
            raise BackendUnavailableError("away")
        if Counting.calls == 2:
            raise BackendError("out of memory")
        answer: list[str] = inner(self, *args)  # type: ignore[arg-type]
        return answer

    broker = Broker(backend)
    broker.submit(Message("t"))
    with pytest.MonkeyPatch.context() as patch, Consumer(broker, lease=30) as consumer:
        patch.setattr(type(backend.messages), "renew", renew)
        stream = consumer.stream()
        held = next(stream)
        for _ in range(4):
            assert renewed.acquire(timeout=PATIENCE)
        broker.ack(held)


def test_what_must_not_run_becomes_a_dead_letter(broker: Broker, consumer: Consumer, clock: Clock) -> None:
    """Revoked, expired and unreadable messages never reach the loop: they die, with the reason."""
    revoked, expired, broken, sound = (
        Message("t", uuid=name) for name in ("revoked", "expired", "broken", "sound")
    )
    broker.submit(revoked)
    broker.revoke(revoked)
    broker.submit(expired, ttl=10)
    clock.advance(11)
    submission = broken.submission(broker.backend.serializer)._replace(payload=b"\xff")
    broker.backend.messages.add([submission], "r")
    broker.submit(sound)
    assert next(consumer.stream()).uuid == "sound"
    for message, name in ((revoked, "MessageRevokedError"), (expired, "MessageExpiredError")):
        details = broker.sync_from_backend(message).exception_details
        assert details is not None
        assert details["name"] == name
    assert broker.in_dlq(broken)


def test_an_outage_is_outlived(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Lost requests and lost replies are logged; each message still comes once."""
    backend = LossyBackend(clock)
    broker = Broker(backend)
    broker.submit_many([Message("t", uuid="one"), Message("t", uuid="two")])
    with Consumer(broker, backoff=ConstantBackoff(1, floor=0)) as consumer:
        stream = consumer.stream()
        backend.plan += ["ok", "reply", "request"]  # registration, then two claims
        one = next(stream)
        broker.ack(one)
        backend.plan.append("reply")
        two = next(stream)
        broker.ack(two)
    assert (one.uuid, two.uuid) == ("one", "two")
    assert "the reply was lost" in caplog.text


def test_after_the_lease_the_consumer_registers_anew(
    broker: Broker, backend: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Taken for dead, it goes on under another id; what it held is no longer its own, and acks say so."""
    broker.submit_many([Message("t", uuid="one"), Message("t", uuid="two")])
    with Consumer(broker) as consumer:
        stream = consumer.stream()
        one = next(stream)
        backend.messages.retire(consumer._session.worker)
        again = next(stream)
        assert again.uuid == one.uuid
        with pytest.raises(ClaimLostError):
            broker.ack(one)
        broker.ack(again)
        assert next(stream).uuid == "two"
    assert "its claims are lost" in caplog.text


def test_a_lease_that_ends_before_a_rejection_is_reported_ends_no_stream(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the lease ends before a rejected message is reported, the consumer registers again and goes on."""
    broker.submit_many([Message("t", uuid="revoked"), Message("t", uuid="good")])
    broker.revoke(Message("t", uuid="revoked"))
    with Consumer(broker) as consumer:

        def too_late(*details: Any) -> Conclusion:
            consumer._session.retire()
            monkeypatch.undo()
            return dead_letter(*details)

        monkeypatch.setattr("alsek.core.consumer.dead_letter", too_late)
        assert next(consumer.stream()).uuid == "good"
    assert broker.in_dlq(Message("t", uuid="revoked"))


def test_no_file_descriptor_is_left(broker: Broker) -> None:
    """A consumer that was closed and dropped gives back all it opened."""
    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        pytest.skip("no /proc here")
    broker.submit(Message("t"))
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(10):
        with Consumer(broker) as consumer:
            stream = consumer.stream()
            next(stream)
            stream.close()
        del consumer, stream
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_a_message_is_yielded_without_an_armed_waiter(
    broker: Broker, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handling it may take long, and a wake-up that goes to this consumer meanwhile would reach no worker."""
    made: list[Any] = []

    class Silent:
        interval = 1

        def __init__(self) -> None:
            self.ears, self.mouth = os.pipe()
            self.closed = False
            made.append(self)

        def arm(self) -> None:
            broker.submit(Message("t"))  # it comes between the step and the sleep

        def fileno(self) -> int:
            return self.ears

        def close(self) -> None:
            self.closed = True
            os.close(self.ears)
            os.close(self.mouth)

    monkeypatch.setattr(WorkerSession, "waiter", lambda session: Silent())
    stream = consumer.stream()  # held: its end closes the waiter as well
    assert next(stream).token is not None
    assert [waiter.closed for waiter in made] == [True]


def test_who_has_a_message_may_tell_of_it(broker: Broker, backend: MemoryBackend) -> None:
    """Progress, checkpoint and the reason to stop; the last of it is there when the consumer closes."""
    broker.submit(Message("t", uuid="m"))
    with Consumer(broker) as consumer:
        message = next(consumer.stream())
        assert (message.checkpoint, message.stopping) == (None, False)
        message.save({"row": 5})
        message.progress(5, 10, "rows")
    assert message.stopping
    (record,) = backend.messages.reports(["m"])
    assert record is not None
    assert progress_from_wire(record.progress or b"") == Progress(5, 10, "rows")
    with Consumer(broker) as consumer:
        again = next(consumer.stream())
        assert again.checkpoint == {"row": 5}
        again.progress(6, 10)
        broker.fail(again, ValueError("no"))
        with pytest.raises(ClaimLostError):
            again.save(7)
    (record,) = backend.messages.reports(["m"])
    assert record is not None
    assert (record.checkpoint, progress_from_wire(record.progress or b"")) == (b'{"row":5}', Progress(6, 10))


def test_a_revoked_message_is_to_stop(broker: Broker, backend: MemoryBackend) -> None:
    """As soon as the lease was renewed: it is still held, and may be settled."""
    broker.submit(Message("t", uuid="m"))
    with Consumer(broker, lease=150) as consumer:
        message = next(consumer.stream())
        broker.revoke(message)
        eventually(lambda: message.stopping)
        broker.remove(message)
