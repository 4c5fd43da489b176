"""Tracing with OpenTelemetry: a submitter's trace goes on in the worker that runs its message."""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from alsek.core.failure import describe_failure
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.exceptions import Retry
from alsek.version import __version__

#: The key of ``message.metadata`` under which the trace context is carried, as the propagator has written it.
METADATA_KEY: Final = "opentelemetry"

#: How long a process that ends may take to hand over the spans that it has buffered.
_FLUSH_WITHIN_MS: Final = 3_000


class OpenTelemetry(Middleware):
    """Makes spans of submissions and attempts: ``Broker(backend, middleware=[OpenTelemetry()])``.

    Needs ``pip install 'alsek-core[otel]'``, and an SDK that the program sets up; without one it does nothing.

    - ``submit QUEUE`` (kind PRODUCER): a message is submitted, in the span that is current there. It has no length: the
      call of the store follows it.
    - ``process QUEUE`` (kind CONSUMER): an attempt runs. Its parent is the span of the submission; so all attempts of
      a message, and those of its callbacks, are in the submitter's trace. An exception is recorded, and is an error
      unless it is a :class:`~alsek.exceptions.Retry`.

    The trace context is carried in ``message.metadata`` under the key :data:`METADATA_KEY`, as the global propagator
    writes it (W3C trace context by default). If `metadata` is something other than a dict, it is left alone, and the
    attempts begin a trace of their own.

    Attributes of a span are those of the semantic conventions for messaging: ``messaging.system`` (``alsek``),
    ``messaging.operation.name``, ``messaging.operation.type``, ``messaging.destination.name`` (the queue),
    ``messaging.message.id`` (the uuid), ``error.type``; and ``alsek.task`` and ``alsek.attempt`` (1 for the first).

    Processes of a pool are forked: set up an exporter that runs a thread, such as that of a ``BatchSpanProcessor``, in
    an :func:`~alsek.core.hooks.on_worker_start` hook. Before a process ends, it hands over what it has buffered.

    Args:
        tracer_provider: Makes the spans; by default the global one, whenever that is set.
    """

    def __init__(self, tracer_provider: Any = None) -> None:
        self._trace = _module("trace")
        self._propagate = _module("propagate")
        self._provider = tracer_provider
        self._tracer = self._trace.get_tracer("alsek", __version__, tracer_provider)

    def submitting(self, message: Message) -> None:
        """Make a span of the submission, and give its context to the message."""
        kind = self._trace.SpanKind.PRODUCER
        attributes = _attributes("submit", "send", message)
        with self._tracer.start_as_current_span(f"submit {message.queue}", kind=kind, attributes=attributes):
            carrier: dict[str, str] = {}
            self._propagate.inject(carrier)
        metadata = message.metadata
        if carrier and (metadata is None or isinstance(metadata, dict)):
            # A new one: the caller may have given the same to many messages.
            message.metadata = {**(metadata or {}), METADATA_KEY: carrier}

    @contextmanager
    def attempt(self, message: Message) -> Generator[None]:
        """Make a span of the attempt, in the trace of the submission."""
        attributes = {**_attributes("process", "process", message), "alsek.attempt": message.retries + 1}
        with self._tracer.start_as_current_span(
            f"process {message.queue}",
            context=self._propagate.extract(_carrier_of(message)),
            kind=self._trace.SpanKind.CONSUMER,
            attributes=attributes,
            # Done here: theirs leaves out SystemExit, and fails with an exception whose text does.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                self._record(span, error)
                raise

    def _record(self, span: Any, error: BaseException) -> None:
        failure = describe_failure(error)
        name, text = failure["name"], failure["text"]
        span.add_event(
            "exception",
            {
                "exception.type": name,
                "exception.message": text,
                "exception.stacktrace": failure["traceback"] or "",
            },
        )
        if not issubclass(type(error), Retry):
            span.set_attribute("error.type", name)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, f"{name}: {text}"))

    def stopping(self) -> None:
        """Hand over the spans that this process has buffered."""
        provider = self._provider or self._trace.get_tracer_provider()
        flush = getattr(provider, "force_flush", None)  # that of the API alone has none
        if flush is not None:
            flush(_FLUSH_WITHIN_MS)


def _attributes(name: str, kind: str, message: Message) -> dict[str, str | int]:
    return {
        "messaging.system": "alsek",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": message.queue,
        "messaging.message.id": message.uuid,
        "alsek.task": message.task_name,
    }


def _carrier_of(message: Message) -> dict[str, str]:
    """Return the trace context that the message carries; empty if there is none, or other code has changed it."""
    metadata = message.metadata
    carrier = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(carrier, dict):
        return {}
    return {
        name: value for name, value in carrier.items() if isinstance(name, str) and isinstance(value, str)
    }


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"opentelemetry.{name}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "alsek.telemetry needs OpenTelemetry: pip install 'alsek-core[otel]'", name=error.name
        ) from error
