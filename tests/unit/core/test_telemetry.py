"""Spans of submissions and attempts, by the real SDK."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.message import Message
from alsek.core.task import task
from alsek.exceptions import Retry
from alsek.storage.backends.memory import MemoryBackend
from alsek.telemetry import METADATA_KEY, OpenTelemetry
from tests.unit.core.attempt_harness import failing, run
from tests.unit.core.fakes import claim, held

pytest.importorskip("opentelemetry.sdk", reason="the environment is older than the extra")


class Traced:
    """A broker with spans in memory."""

    def __init__(self, backend: MemoryBackend) -> None:
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
        self.exporter = memory.InMemorySpanExporter()
        self.provider = sdk.TracerProvider()
        self.provider.add_span_processor(export.SimpleSpanProcessor(self.exporter))
        self.broker = Broker(backend, middleware=[OpenTelemetry(self.provider)])

    def spans(self) -> dict[str, Any]:
        """The finished spans, by name."""
        found = {span.name: span for span in self.exporter.get_finished_spans()}
        assert len(found) == len(self.exporter.get_finished_spans())
        return found


@pytest.fixture
def traced(backend: MemoryBackend) -> Traced:
    """A traced broker."""
    return Traced(backend)


def test_the_submitters_trace_goes_on_in_the_attempt(traced: Traced) -> None:
    """The submission is below the span that is current there, and the attempt below the submission."""
    made = task(traced.broker, name="t", queue="mail")(lambda: None)
    with traced.provider.get_tracer("shop").start_as_current_span("order"):
        message, _ = run(made)
    spans = traced.spans()
    order, submit, process = spans["order"], spans["submit mail"], spans["process mail"]
    assert submit.parent.span_id == order.context.span_id
    assert process.parent.span_id == submit.context.span_id
    assert process.parent.is_remote
    assert {span.context.trace_id for span in spans.values()} == {order.context.trace_id}
    assert (submit.kind.name, process.kind.name) == ("PRODUCER", "CONSUMER")
    common = {
        "messaging.system": "alsek",
        "messaging.destination.name": "mail",
        "messaging.message.id": message.uuid,
        "alsek.task": "t",
    }
    assert submit.attributes == {
        **common,
        "messaging.operation.name": "submit",
        "messaging.operation.type": "send",
    }
    assert process.attributes == {
        **common,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "alsek.attempt": 1,
    }
    assert process.status.is_unset


def test_a_callback_is_in_the_same_trace(traced: Traced) -> None:
    """A callback is submitted within its parent's attempt."""
    first = task(traced.broker, name="first", queue="a")(lambda: None)
    second = task(traced.broker, name="second", queue="b")(lambda: None)
    _, conclusion = run(first, callback=second.generate(submit=False))
    spans = traced.spans()
    assert spans["submit b"].parent.span_id == spans["process a"].context.span_id
    assert conclusion.callback is not None
    assert conclusion.callback.metadata.keys() == {METADATA_KEY}


class Hostile(Exception):
    """Its text exits."""

    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "text"),
    [(ValueError("no money"), "no money"), (SystemExit(3), "3"), (Hostile(), "SystemExit")],
)
def test_an_exception_is_recorded(traced: Traced, error: BaseException, text: str) -> None:
    """Whatever an attempt raises is in its span, which is an error, and stays the attempt's exception."""
    made = task(traced.broker, queue="q")(failing(error))
    made.generate()
    assert attempt(made, held(claim(traced.broker))).exception is error
    process = traced.spans()["process q"]
    assert process.status.status_code.name == "ERROR"
    assert process.attributes["error.type"] == type(error).__name__
    (event,) = process.events
    assert event.attributes["exception.type"] == type(error).__name__
    assert text in event.attributes["exception.message"]
    assert event.attributes["exception.stacktrace"].startswith("Traceback")


def test_a_retry_that_was_asked_for_is_no_error(traced: Traced) -> None:
    """A task that asks to be run again has not failed by mistake."""
    run(task(traced.broker, queue="q")(failing(Retry("later"))))
    assert traced.spans()["process q"].status.is_unset


def test_metadata_of_the_user_stays(traced: Traced) -> None:
    """A dict gets one more key, in a copy of its own for each message; anything else is left alone."""
    made = task(traced.broker)(lambda: None)
    given = {"own": 1}
    first, second = made.generate_many([(), ()], metadata=given)
    assert given == {"own": 1}
    assert first.metadata["own"] == second.metadata["own"] == 1
    assert first.metadata[METADATA_KEY] != second.metadata[METADATA_KEY]
    assert made.generate(metadata=["a"]).metadata == ["a"]


@pytest.mark.parametrize(
    "carrier", [None, "text", {}, {"traceparent": 7}, {"traceparent": "nonsense"}, {3: 4}]
)
def test_a_broken_context_begins_a_new_trace(traced: Traced, carrier: Any) -> None:
    """What other code has made of the key is no reason for an attempt to fail."""
    made = task(traced.broker, queue="q")(lambda: None)
    message = Message("t", queue="q", metadata={METADATA_KEY: carrier})
    made.generate()
    delivery = held(claim(traced.broker))
    delivery.message.metadata = message.metadata
    assert attempt(made, delivery).exception is None
    assert traced.spans()["process q"].parent is None


def test_without_an_sdk_it_changes_nothing(backend: MemoryBackend) -> None:
    """The API alone makes no spans: messages get no key, and attempts run."""
    broker = Broker(backend, middleware=[middleware := OpenTelemetry()])
    message, conclusion = run(task(broker)(lambda: None))
    assert message.metadata is None
    assert conclusion.ending == "succeeded"
    middleware.stopping()


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the API, the error says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'alsek-core\[otel\]'"):
        OpenTelemetry()
