"""The log lines of workers about their messages."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude, dead_letter
from alsek.core.execution.transition_log import log, log_claimed, log_lost
from alsek.core.task import task
from alsek.exceptions import MessageExpiredError, MessageRevokedError, Retry
from alsek.logs import JsonFormatter
from tests.unit.core.attempt_harness import failing
from tests.unit.core.fakes import claim, held


def _run(broker: Broker, function: Any, **options: Any) -> None:
    """Run a message as a pool does."""
    made = task(broker, name="t", **options)(function)
    made.generate()
    delivery = held(claim(broker))
    if log.isEnabledFor(logging.DEBUG):
        log_claimed(delivery)
    delivery.began_at = monotonic_ms() - 7
    conclude(made, delivery, attempt(made, delivery))


def _events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(vars(record)["event"], record.levelname) for record in caplog.records if "event" in vars(record)]


def test_a_success_is_told_at_debug(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Claimed and succeeded are lines of DEBUG, with the message, the attempt and its time as fields."""
    caplog.set_level(logging.DEBUG, "alsek")
    _run(broker, lambda: None)
    assert _events(caplog) == [("claimed", "DEBUG"), ("succeeded", "DEBUG")]
    claimed, succeeded = (vars(record) for record in caplog.records if "event" in vars(record))
    assert (claimed["task"], claimed["queue"], claimed["attempt"], claimed["ms"]) == (
        "t",
        "alsek_queue",
        1,
        0,
    )
    assert succeeded["uuid"] == claimed["uuid"]
    assert succeeded["ms"] >= 7


def test_without_debug_a_success_writes_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, a message that succeeds leaves no line."""
    caplog.set_level(logging.INFO, "alsek")
    _run(broker, lambda: None)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("max_retries", "expected"), [(1, ("retrying", "WARNING")), (0, ("failed", "ERROR"))]
)
def test_a_failed_attempt_is_told_with_its_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture, max_retries: int, expected: tuple[str, str]
) -> None:
    """Each failed attempt has a line with the traceback, also one that is retried; as JSON it has a key of its own."""
    _run(broker, failing(ValueError("no")), max_retries=max_retries)
    assert _events(caplog) == [expected]
    (record,) = caplog.records
    assert vars(record)["ms"] >= 7
    assert record.getMessage().endswith("ValueError: no")
    line = json.loads(JsonFormatter().format(record))
    assert line["event"] == expected[0]
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no")
    assert "Traceback" not in line["message"]
    assert line["message"].endswith("ValueError: no")


def test_a_retry_that_was_asked_for_has_no_traceback(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """What a task raises to be run again is no fault to be traced."""
    _run(broker, failing(Retry("later")))
    assert _events(caplog) == [("retrying", "WARNING")]
    assert "exception" not in json.loads(JsonFormatter().format(caplog.records[0]))


@pytest.mark.parametrize(
    ("error", "event"),
    [(MessageRevokedError("it was"), "revoked"), (MessageExpiredError("it has"), "expired")],
)
def test_what_is_not_to_run_is_told_at_info(
    broker: Broker, caplog: pytest.LogCaptureFixture, error: MessageRevokedError, event: str
) -> None:
    """A revoked or expired message is nothing to be alarmed at."""
    caplog.set_level(logging.INFO, "alsek")
    made = task(broker)(lambda: None)
    made.generate()
    dead_letter(made, held(claim(broker)), error)
    assert _events(caplog) == [(event, "INFO")]
    assert vars(caplog.records[0])["ms"] is None


def test_a_lost_message_is_told(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """A message whose process died has a line that names it."""
    task(broker, name="t")(lambda: None).generate()
    log_lost(held(claim(broker)), 2)
    assert _events(caplog) == [("lost", "WARNING")]
    assert "(loss 2)" in caplog.text
    assert vars(caplog.records[0])["task"] == "t"


def test_a_logger_that_fails_to_say_its_level_logs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger class of the user's that raises is no reason for a message to fail."""

    def broken(level: int) -> bool:
        raise ValueError("no")

    monkeypatch.setattr(log.logger, "isEnabledFor", broken)
    assert log.isEnabledFor(logging.DEBUG) is False
