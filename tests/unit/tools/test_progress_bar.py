"""The bars of tasks that tell how far they are."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from alsek import MemoryBackend, Progress
from alsek.core.reporting.progress import progress_to_wire
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import Report, ReportRecord
from alsek.tools.progress_bar import TaskBars
from tests.contract.workers import add, an_actor


@pytest.fixture
def bars() -> Bars:
    return Bars(console=Console(file=io.StringIO()))


def test_each_task_that_tells_how_far_it_is_has_a_bar_until_its_result_is_there(bars: Bars) -> None:
    backend = MemoryBackend()
    add(backend, "a", "b", "c")
    actor = an_actor(backend)
    claimed = {each.uuid: each for each in actor.claim()}
    awaited = dict.fromkeys("abc")
    shown = TaskBars(bars, awaited, backend)

    def tell(uuid: str, number: int, progress: Progress) -> None:
        report = Report(uuid, "q", claimed[uuid].token, number, progress_to_wire(progress))
        assert backend.messages.report(actor.worker, [report]) == []
        shown.update()

    tell("a", 1, Progress(3, 10, "[bold]rows\n"))
    tell("b", 1, Progress(7))
    assert [(task.description, task.completed, task.total) for task in bars.tasks] == [
        ("[bold]rows ", 3, 10),
        ("b", 7, None),
    ]
    del awaited["a"]
    tell("b", 2, Progress(8, 9))
    assert [(task.completed, task.total) for task in bars.tasks] == [(8, 9)]
    shown.clear()
    tell("b", 3, Progress(9, 9))
    assert bars.tasks == []


def test_no_more_than_ten_bars_are_shown(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()
    awaited = dict.fromkeys(map(str, range(20)))
    wire = progress_to_wire(Progress(1, 2))
    records = [ReportRecord(uuid, 1, 0, wire) for uuid in awaited]
    monkeypatch.setattr(backend.messages, "reports", lambda uuids: records)
    TaskBars(bars, awaited, backend).update()
    assert len(bars.tasks) == 10


def test_a_store_that_does_not_answer_changes_nothing(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = MemoryBackend()

    def away(uuids: object) -> None:
        raise BackendUnavailableError("away")

    monkeypatch.setattr(backend.messages, "reports", away)
    TaskBars(bars, {"a": None}, backend).update()
    assert bars.tasks == []
