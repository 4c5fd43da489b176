"""Visits that are made again, and the outcomes that go with them, without a server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import Released
from alsek.storage.backends.redis.partitions.late_visits import LateVisit, LateVisits
from alsek.storage.backends.redis.partitions.untold import Untold


class _Pauses:
    """In the place of the event that ends the thread: notes the pauses, and ends it at the third."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.taken.append(seconds)
        return len(self.taken) == 3


def _without_a_thread(late: LateVisits) -> LateVisits:
    """The same; its thread is the one that runs the test."""
    late._thread = threading.current_thread()
    return late


def test_there_is_a_pause_if_no_visit_was_answered() -> None:
    """Also if several partitions are on one node, of which one is tried."""
    tried: list[int] = []

    def make(visit: LateVisit) -> Any:
        tried.append(visit.number)
        if len(tried) > 10:
            pytest.fail("without a pause")
        raise BackendUnavailableError("away")

    late = _without_a_thread(LateVisits(make, lambda one, other: True, lambda: None))
    pauses: Any = _Pauses()
    late._stopped = pauses
    late.add([LateVisit(1), LateVisit(2), LateVisit(3)])
    late._run()
    assert tried == [1, 1, 1]
    assert sorted(pauses.taken) == pauses.taken


def test_an_answer_that_was_not_taken_hides_no_outcomes() -> None:
    """The partition has answered to a registration, and not to the visit after that."""
    late = _without_a_thread(LateVisits(lambda _: None, lambda one, other: False, lambda: None))
    untold = Untold(late)
    late.add([LateVisit(1)])
    late._made(late.open)
    outcome = Released("one", "q", 12)
    late.add([LateVisit(1, 5, [outcome])])
    assert untold.all() == {1: [outcome]}
    assert untold.tokens() == {12}
