"""A worker group as the supervisor sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alsek.core.worker.supervisor.group_handle import GroupHandle


def a_group(*, isolated: bool, at_eof: bool) -> GroupHandle:
    """A group that has exited, with processes below it that have ended, or have not."""
    child: Any = SimpleNamespace(at_eof=at_eof)
    state: Any = SimpleNamespace()
    options: Any = SimpleNamespace(isolated=isolated)
    return GroupHandle(child, state, options, 0)


@pytest.mark.parametrize(("isolated", "at_eof"), [(False, False), (False, True), (True, True)])
def test_a_group_without_descendants_has_ended_with_its_process(isolated: bool, at_eof: bool) -> None:
    """Threads end with their process; task processes are seen to have ended."""
    assert a_group(isolated=isolated, at_eof=at_eof).has_ended(1_000)


def test_task_processes_of_an_ended_group_get_two_seconds() -> None:
    """Their messages are given back after that: before, they could run twice at once."""
    group = a_group(isolated=True, at_eof=False)
    assert [group.has_ended(now) for now in (1_000, 2_999, 3_000)] == [False, False, True]
