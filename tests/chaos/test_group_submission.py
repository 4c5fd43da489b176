"""The producer of the chaos suite outlives errors of the store, also in the middle of a group."""

from __future__ import annotations

from typing import Any

import pytest

from alsek import Group
from alsek.exceptions import BackendUnavailableError
from tests.chaos.environment import Stage
from tests.chaos.tasks import QUEUE


def test_a_group_is_submitted_through_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each error, what is left of it is submitted."""
    stage = Stage("sqlite")
    try:
        backend = stage.play.broker.backend
        add, left = backend.messages.add, [True, True]

        def failing(*args: Any, **kwargs: Any) -> Any:
            if left:
                left.pop()
                raise BackendUnavailableError("busy")
            return add(*args, **kwargs)

        monkeypatch.setattr(backend.messages, "add", failing)
        group = Group([stage.play.nothing.generate(submit=False) for _ in range(3)])
        stage.submit_group(group)
        assert stage.groups == [group]
        assert (stage.producer_errors, backend.messages.count(QUEUE)) == (2, 3)
    finally:
        stage.close()
