"""A trace that goes on over the boundary of processes, by the real SDK."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tests.integration.conftest import Project
from tests.integration.test_middleware import POOLS, start

pytest.importorskip("opentelemetry.sdk", reason="the environment is older than the extra")

TASKS = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from alsek.telemetry import OpenTelemetry

class ToFile(SpanExporter):
    def export(self, spans):
        with open(HERE / "spans", "a") as file:
            file.write("".join(span.to_json(indent=None) + "\\n" for span in spans))
        return SpanExportResult.SUCCESS

provider = TracerProvider()
broker = Broker(backend, middleware=[OpenTelemetry(provider)])

@on_worker_start
def export_spans():
    provider.add_span_processor(BatchSpanProcessor(ToFile(), schedule_delay_millis=60_000))

@task(broker, result_store=result_store, queue="work")
def work():
    with provider.get_tracer("shop").start_as_current_span("query"):
        return trace.get_current_span().get_span_context().trace_id
"""


@pytest.mark.parametrize("pool", POOLS)
def test_a_trace_goes_on_in_a_pool(sqlite_project: Project, pool: str) -> None:
    """From the program's span to that of a query in the task: one trace, and no span is lost when the pool stops."""
    tasks = sqlite_project.write(TASKS)
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    tasks.provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    with tasks.provider.get_tracer("shop").start_as_current_span("order") as order:
        trace_id = order.get_span_context().trace_id
        message = tasks.work.generate()
        chained = tasks.work.generate(callback=(last := tasks.work.generate(submit=False)))
    worker = start(sqlite_project, pool)
    for each in (message, chained, last):
        assert tasks.result_store.get(each, timeout=60_000) == trace_id
    assert worker.stop() == 0
    submitted = {span.name: span for span in exporter.get_finished_spans()}
    assert submitted.keys() == {"order", "submit work"}
    spans = [json.loads(line) for line in (sqlite_project.folder / "spans").read_text().splitlines()]
    assert sorted(span["name"] for span in spans) == ["process work"] * 3 + ["query"] * 3 + ["submit work"]
    assert {int(span["context"]["trace_id"], 16) for span in spans} == {trace_id}
    ids = {span["context"]["span_id"]: span["name"] for span in spans}
    submits = {f"0x{span.context.span_id:016x}": span.name for span in exporter.get_finished_spans()}
    parents = {(span["name"], (ids | submits)[span["parent_id"]]) for span in spans}
    assert parents == {
        ("process work", "submit work"),
        ("query", "process work"),
        ("submit work", "process work"),
    }
