"""A broker's result store and status tracker are those of its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from alsek import Broker, MemoryBackend, ResultStore, StatusTracker, TaskStatus, task
from alsek.core.task import without_hooks
from alsek.exceptions import ValidationError

backend = MemoryBackend()
result_store, status_tracker = ResultStore(backend), StatusTracker(backend)
broker = Broker(backend, result_store=result_store, status_tracker=status_tracker)


def _function() -> None: ...


def test_a_task_takes_those_of_its_broker() -> None:
    """Unless it names others, or False for none."""
    other = ResultStore(backend)
    assert task(broker)(_function).result_store is result_store
    assert task(broker)(_function).status_tracker is status_tracker
    assert task(broker, result_store=other)(_function).result_store is other
    none = task(broker, result_store=False, status_tracker=False)(_function)
    assert none.result_store is None
    assert none.status_tracker is None
    assert task(Broker(backend))(_function).result_store is None


def test_its_messages_are_tracked() -> None:
    """As if the task had named the tracker."""
    message = task(broker)(_function).generate()
    assert status_tracker.get(message) is TaskStatus.SUBMITTED


def test_a_copy_without_hooks_has_the_same() -> None:
    """Also none."""
    none = task(broker, result_store=False)(_function)
    assert without_hooks(none).result_store is None
    assert without_hooks(none).status_tracker is status_tracker


@pytest.mark.parametrize("name", ["result_store", "status_tracker"])
def test_something_else_is_refused(name: str) -> None:
    """By the broker, and by the task."""
    wrong: dict[str, Any] = {name: backend}
    with pytest.raises(ValidationError, match=f"{name}=.* of Broker: must be None or a"):
        Broker(backend, **wrong)
    with pytest.raises(ValidationError, match=f"{name}="):
        task(broker, **wrong)(_function)
