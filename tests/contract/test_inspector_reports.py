"""What the inspector, and a status tracker, show of a task's progress, checkpoint and log."""

from __future__ import annotations

import json
from typing import Any

from alsek import Broker, Inspector, Message, Progress, StatusTracker
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.plain import to_json
from alsek.core.reporting.progress import progress_to_wire
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Claimed, Report, TaskStatus
from tests.contract.workers import Actor, Actors, died, succeeded

HALF = Progress(50, 100, "rows")


def _told(claimed: Claimed, number: int = 1, **fields: Any) -> Report:
    return Report(claimed.uuid, claimed.queue, claimed.token, number, **fields)


def _running(broker: Broker, actor: Actor, uuid: str = "m") -> Claimed:
    broker.submit(Message("t", uuid=uuid, queue="q", status_ttl=60_000))
    (claimed,) = actor.step().claimed
    return claimed


def test_a_running_message_is_shown_with_all_that_it_has_told(
    broker: Broker, inspector: Inspector, backend: Backend, actor: Actors
) -> None:
    worker = actor("q")
    claimed = _running(broker, worker)
    told = _told(
        claimed,
        progress=progress_to_wire(HALF),
        checkpoint=backend.serializer.forward({"row": 50}),  # type: ignore[arg-type]
        lines=(b"one", "zwei \N{SNOWMAN}".encode(), b"\xff"),
        keep=10,
    )
    assert backend.messages.report(worker.worker, [told]) == []
    info = inspector.find("m")
    assert isinstance(info, MessageInfo)
    assert (info.progress, info.checkpoint) == (HALF, {"row": 50})
    assert info.log == ("one", "zwei \N{SNOWMAN}", "\N{REPLACEMENT CHARACTER}")
    assert info.reported_at is not None
    assert json.loads(to_json(info))["progress"] == {"current": 50, "total": 100, "text": "rows"}
    assert inspector.progress(["other", "m"]) == {"m": HALF}


def test_a_dead_letter_is_shown_with_all_that_it_has_told(
    broker: Broker, inspector: Inspector, messages: MessagePort, actor: Actors
) -> None:
    worker = actor("q")
    claimed = _running(broker, worker)
    told = _told(claimed, progress=progress_to_wire(HALF), checkpoint=b"7", lines=(b"one",), keep=10)
    worker.step(told, died(claimed))
    info = inspector.find("m")
    assert isinstance(info, DeadInfo)
    assert (info.progress, info.checkpoint, info.log) == (HALF, 7, ("one",))
    (listed,) = inspector.dead()
    assert listed.progress is None


def test_one_that_has_told_nothing_has_nothing(broker: Broker, inspector: Inspector, actor: Actors) -> None:
    _running(broker, actor("q"))
    info = inspector.find("m")
    assert isinstance(info, MessageInfo)
    assert (info.progress, info.checkpoint, info.log, info.reported_at) == (None, None, (), None)
    assert inspector.progress(["m"]) == {}


def test_what_can_not_be_read_is_said(broker: Broker, inspector: Inspector, actor: Actors) -> None:
    worker = actor("q")
    claimed = _running(broker, worker)
    worker.step(_told(claimed, progress=b"\xff", checkpoint=b"{"))
    info = inspector.find("m")
    assert isinstance(info, MessageInfo)
    assert info.progress is None
    assert info.unreadable is not None
    assert info.unreadable.startswith("its checkpoint can't be read by")


def test_details_are_the_progress_unless_some_were_set(
    broker: Broker, backend: Backend, actor: Actors
) -> None:
    tracker = StatusTracker(backend)
    worker = actor("q")
    claimed = _running(broker, worker)
    assert tracker.get_details("m") is None
    worker.step(_told(claimed, progress=progress_to_wire(HALF)))
    assert tracker.get_details("m") == HALF
    tracker.set(Message("t", uuid="m"), TaskStatus.RUNNING, {"mine": 1})
    assert tracker.get_details("m") == {"mine": 1}
    assert tracker.get_progress("m") == HALF


def test_progress_is_kept_as_long_as_the_status_after_the_end(
    broker: Broker, backend: Backend, actor: Actors
) -> None:
    tracker = StatusTracker(backend)
    worker = actor("q")
    claimed = _running(broker, worker)
    worker.step(_told(claimed, progress=progress_to_wire(HALF)), succeeded(claimed))
    assert tracker.get("m") is TaskStatus.SUCCEEDED
    assert tracker.get_details("m") == HALF
