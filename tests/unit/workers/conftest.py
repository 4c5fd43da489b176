"""Stores in memory, brokers on them, and tasks of engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alsek.core.broker import Broker
from alsek.storage.backends.memory import MemoryBackend
from tests.clock import Clock
from tests.unit.core.fakes import LossyBackend
from tests.unit.workers.engine_harness import Running, Runs
from tests.unit.workers.fakes import Shift


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> Broker:
    """A broker on a store of the test's own."""
    return Broker(MemoryBackend(clock=clock))


@pytest.fixture
def shift(broker: Broker) -> Iterator[Shift]:
    """A registered worker."""
    shift = Shift(broker)
    yield shift
    shift.state.close()


@pytest.fixture
def backend() -> LossyBackend:
    """A store that loses requests and replies as it is told to."""
    return LossyBackend()


@pytest.fixture
def runs(backend: LossyBackend) -> Iterator[Runs]:
    """The tasks."""
    runs = Runs(Broker(backend))
    yield runs
    runs.go_on.set()


@pytest.fixture(params=[False, True], ids=["alone", "with-stand-ins"])
def stands_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this holds for an engine alone, and for one for which its task threads stand in."""
    monkeypatch.setattr(Running, "stands_in", request.param)
