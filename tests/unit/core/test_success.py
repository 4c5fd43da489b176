"""A message that succeeds: its result, its callback, and what the store is told."""

from __future__ import annotations

from typing import Any

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import TaskStatus
from alsek.core.task import task
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import FOR_EVER, Succeeded
from alsek.storage.result import ResultStore
from tests.unit.core.attempt_harness import (
    Recorder,
    run,
    through,
)
from tests.unit.core.fakes import claim


def test_success(broker: Broker) -> None:
    """Hooks in their order; nothing but the message's end is told where there is nothing to keep."""
    made = task(broker, base_task=Recorder)(lambda: 99)
    message, conclusion = run(made)
    assert conclusion == (
        Succeeded(message.uuid, message.queue, message.token or 0, None, FOR_EVER, None, None),
        TaskStatus.SUCCEEDED,
        "succeeded",
        None,
    )
    assert made.calls == ["pre_op", "post_op 99", "on_success 99"]


def test_the_result_rides_with_the_outcome(broker: Broker, backend: MemoryBackend) -> None:
    """Serialized, with its ttl and its progenitor; None is a result too."""
    made = task(broker, result_store=ResultStore(backend, ttl=5))(lambda: None)
    message, conclusion = run(made)
    assert isinstance(conclusion.outcome, Succeeded)
    assert (conclusion.outcome.result, conclusion.outcome.result_ttl) == (b"null", 5)
    broker.ack(message)
    _, conclusion = run(made, result_ttl=7)
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.result_ttl == 7


def test_the_callback_is_built_from_the_result(broker: Broker) -> None:
    """It has the result, its parent's uuid and the progenitor; the rest is as it was generated."""
    made = task(broker, base_task=Recorder)(lambda: 99)
    then = made.generate(submit=False, delay=5, priority=3, callback=made.generate(submit=False))
    message, conclusion = run(made, callback=then)
    assert made.calls[-2:] == ["do_callback", "on_success 99"]
    assert isinstance(conclusion.outcome, Succeeded)
    submission = conclusion.outcome.callback
    assert submission is not None
    assert (submission.uuid, submission.delay, submission.priority) == (then.uuid, 5, 3)
    callback = Message.unpack(then.uuid, then.queue, submission.payload, broker.backend.serializer)
    assert callback.previous_result == 99
    assert callback.previous_message_uuid == message.uuid
    assert callback.progenitor_uuid == message.uuid
    assert callback.callback_message_data == then.callback_message_data


def test_the_progenitor_is_the_root(broker: Broker) -> None:
    """A callback of a callback descends from the first message."""
    made = task(broker)(lambda: 1)
    a, b = made.generate(submit=False), made.generate(submit=False)
    root, conclusion = run(made, callback=(a, b))
    assert root.claim is not None
    root.claim.session.step((conclusion.outcome,), {})
    second = claim(broker)
    assert (second.uuid, second.progenitor_uuid) == (a.uuid, root.uuid)
    conclusion = through(made, second)
    assert second.claim is not None
    second.claim.session.step((conclusion.outcome,), {})
    third = claim(broker)
    assert (third.uuid, third.progenitor_uuid, third.previous_message_uuid) == (b.uuid, root.uuid, a.uuid)


def test_do_callback_decides(broker: Broker) -> None:
    """False, and the callback is left out; without a callback it is not asked."""

    class Never(Recorder):
        """No callbacks."""

        def do_callback(self, message: Message, result: Any) -> bool:
            super().do_callback(message, result)
            return False

    made = task(broker, base_task=Never)(lambda: 1)
    _, conclusion = run(made, callback=made.generate(submit=False))
    assert isinstance(conclusion.outcome, Succeeded)
    assert conclusion.outcome.callback is None
    plain = task(broker, base_task=Never)(lambda: 1)
    run(plain)
    assert plain.calls == ["pre_op", "post_op 1", "on_success 1"]
