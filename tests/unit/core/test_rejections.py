"""Messages that must not run: revoked, expired, lost too often, unknown or unreadable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.conclusions import dead_letter, dead_letter_unreadable
from alsek.core.execution.opening import rejection_of
from alsek.core.message import Message
from alsek.core.task import Task, task
from alsek.exceptions import (
    MessageExpiredError,
    MessageRevokedError,
    UnknownTaskError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed
from tests.unit.core.attempt_harness import (
    Recorder,
    dead,
    failing,
    run,
)
from tests.unit.core.fakes import claim, held


def test_rejections() -> None:
    """Revoked, expired, and more often lost than allowed; exactly as often is still allowed."""
    sound = Claimed("u", "q", b"", 1)
    assert rejection_of(sound, 5) is None
    assert rejection_of(sound._replace(losses=5), 5) is None
    assert rejection_of(sound._replace(suspect=True), 5) is None
    assert type(rejection_of(sound._replace(losses=6), 5)) is WorkerLostError
    assert type(rejection_of(sound._replace(expired=True), 5)) is MessageExpiredError
    assert type(rejection_of(sound._replace(revoked=True, expired=True, losses=9), 5)) is MessageRevokedError


def test_a_revoked_message_becomes_a_dead_letter(broker: Broker) -> None:
    """on_revocation is called for it, and on_failure is not."""
    made = task(broker, base_task=Recorder)(lambda: None)
    made.generate()
    message = claim(broker)
    assert (
        dead(dead_letter(made, held(message), MessageRevokedError("revoked")))["name"]
        == "MessageRevokedError"
    )
    assert made.calls == ["on_revocation"]


def test_an_unknown_task_becomes_a_dead_letter(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Without a task, by the pool's broker; the log has the name."""
    broker.submit(Message("nobody_knows"))
    details = dead(
        dead_letter(None, held(claim(broker)), UnknownTaskError("no task is named 'nobody_knows'"), broker)
    )
    assert details["name"] == "UnknownTaskError"
    assert "nobody_knows" in caplog.text


def test_an_unreadable_message_becomes_a_dead_letter() -> None:
    """As it is, with the reason; for no time where dead letters are off."""
    claimed = Claimed("u", "q", b"\xff", 4)
    outcome = dead_letter_unreadable(claimed, ValueError("broken"), None)
    assert outcome[:3] == ("u", "q", 4)
    assert outcome.dlq_ttl == 0
    assert json.loads(outcome.error)["text"] == "broken"


def test_a_revoked_message_is_not_retried(broker: Broker) -> None:
    """Whatever retries are left, and whatever `do_retry` would say: it is not asked."""

    class Asked(Task[..., Any]):
        def do_retry(self, message: Message, exception: BaseException) -> bool:
            raise AssertionError("it was asked")

    made = task(broker, base_task=Asked, max_retries=None)(failing(MessageRevokedError("while it ran")))
    assert dead(run(made)[1])["name"] == "MessageRevokedError"
