"""A store in memory, and a broker on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alsek.core.broker import Broker
from alsek.storage.backends.memory import MemoryBackend
from tests.clock import Clock
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
