"""A backend on a clock that the test moves, and a broker on it."""

from __future__ import annotations

import pytest

from alsek.core.broker import Broker
from alsek.storage.backends.memory import MemoryBackend
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> MemoryBackend:
    """A store of the test's own."""
    return MemoryBackend(clock=clock)


@pytest.fixture
def broker(backend: MemoryBackend) -> Broker:
    """A broker on it."""
    return Broker(backend)
