"""The supervisor and its monitor: started again, told once a second, never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.worker.monitor.addresses import Address
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.endpoints import Endpoints
from alsek.core.worker.monitor.monitor import Monitor
from tests.unit.workers.supervisor_harness import FakeChild, SupervisorHarness


class Scene(SupervisorHarness):
    """A pool with a monitor."""

    def __init__(self, broker: Broker) -> None:
        self.channel = Channel()
        self.channel.reader.setblocking(False)
        self.endpoints = Endpoints(None, Address("127.0.0.1", 0))
        super().__init__(broker, endpoints=self.endpoints, channel=self.channel)

    @property
    def monitors(self) -> list[FakeChild]:
        """The monitors so far."""
        return [child for child in self.children if isinstance(child.runs, Monitor)]

    def told(self) -> list[dict[str, Any]]:
        """What the monitor was told since the last call."""
        told = []
        while True:
            try:
                told.append(self.channel.receive() or {})
            except BlockingIOError:
                return told


@pytest.fixture
def scene(broker: Broker) -> Iterator[Scene]:
    """A pool that has just begun."""
    scene = Scene(broker)
    yield scene
    scene.channel.close()
    scene.endpoints.close()


def test_it_is_told_once_a_second(scene: Scene) -> None:
    """That the supervisor lives, and what the slots do."""
    assert scene.told() == [{"draining": False, "slots": {"busy": 0, "free": 4, "abandoned": 0}}]
    scene.turn(500)
    assert scene.told() == []
    state = scene.state()
    entry = state.add_claim(1)
    state.enter_user_code(entry)
    state.abandoned = 2
    scene.turn(500)
    assert scene.told() == [{"draining": False, "slots": {"busy": 1, "free": 3, "abandoned": 2}}]


def test_it_is_told_at_once_that_the_pool_drains(scene: Scene) -> None:
    """The slots of groups that stop are not free."""
    scene.told()
    scene.signals.stop()
    scene.turn(1)
    assert scene.told() == [{"draining": True, "slots": {"busy": 0, "free": 0, "abandoned": 0}}]


def test_one_that_died_is_started_again(scene: Scene) -> None:
    """Later each time if it dies at once, and the groups go on."""
    (first,) = scene.monitors
    first.status = -9
    scene.turn(1)
    assert first.closed
    assert len(scene.monitors) == 1
    scene.turn(200)
    assert len(scene.monitors) == 2
    assert len(scene.groups) == 1


def test_one_that_can_not_be_forked_is_tried_again(scene: Scene) -> None:
    scene.monitors[0].status = -9
    scene.refuse = True
    scene.turn(1_000)
    scene.refuse = False
    scene.turn(500)
    assert len(scene.monitors) == 1
    scene.turn(600)
    assert len(scene.monitors) == 2


def test_a_monitor_that_hangs_makes_nobody_wait(scene: Scene) -> None:
    """Nothing reads the channel: it is full soon, and the supervisor goes on."""
    for _ in range(2_000):
        scene.turn(1_000)
    assert len(scene.told()) < 2_000
    scene.turn(1_000)
    assert len(scene.told()) == 1


def test_its_sockets_are_closed_in_all_other_children(scene: Scene) -> None:
    """A group must not hold the port, nor read what is meant for the monitor."""
    sockets = {*scene.endpoints.descriptors, scene.channel.reader.fileno()}
    for child, closed in zip(scene.children, scene.closed, strict=True):
        if child in scene.monitors:
            assert not sockets & set(closed)
        else:
            assert sockets <= set(closed)
