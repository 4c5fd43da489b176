"""A store whose clock the tests move, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.firing import Firing
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import ScheduleRecord
from tests.clock import Clock

pytest.importorskip("apscheduler")


@dataclass
class Store:
    """A broker of a store in memory, and a worker's part in firing."""

    clock: Clock = field(default_factory=Clock)
    broker: Broker = field(init=False)
    firing: Firing = field(init=False)

    def __post_init__(self) -> None:
        self.broker = Broker(MemoryBackend(clock=self.clock))
        self.firing = Firing(self.broker)

    def fire(self, *names: str) -> list[Message]:
        """Fire these schedules, and return all messages that are stored, those first that were made first."""
        self.firing.fire(names, always)
        return self.messages()

    def messages(self) -> list[Message]:
        """All messages that are stored, those first that were made first."""
        backend = self.broker.backend
        found = [
            Message.unpack(stored.uuid, stored.queue, stored.payload, backend.serializer)
            for queue in backend.messages.queues()
            for stored in backend.messages.browse(queue)
        ]
        return sorted(found, key=lambda message: message.created_at)

    def record(self, name: str) -> ScheduleRecord:
        """The schedule of this name as it is stored."""
        (record,) = self.broker.backend.schedules.get([name])
        return record


def always(record: ScheduleRecord, definition: Definition) -> bool:
    """Any schedule may be fired."""
    return True


@pytest.fixture
def store() -> Store:
    """An empty store."""
    return Store()
