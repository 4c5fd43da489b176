"""Schedules, fired by real pools: each tick exactly once, whatever happens to the pools, the store and the clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from alsek.core.inspection.inspector import Inspector
from alsek.core.schedules.template import tick_uuid
from tests.integration.conftest import Project
from tests.waiting import eventually

SKEW = Path(__file__).parents[1] / "chaos" / "skew"

BODY = """
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from apscheduler.triggers.date import DateTrigger

def note(message, version=1):
    with (HERE / "ticks.txt").open("a") as file:
        file.write(f"{message.uuid} {message.created_at} {version}\\n")

@task(broker, schedule=IntervalTrigger(seconds=1))
def declared(message: Message) -> None:
    note(message)

@task(broker)
def stored(number: int, message: Message) -> None:
    note(message, number)
"""


class Ticks:
    """What the tasks of a project have noted: a line for each run."""

    def __init__(self, project: Project) -> None:
        self._path = project.folder / "ticks.txt"

    def lines(self) -> list[tuple[str, int, int]]:
        """The uuid of each run's message, its tick, and its version or number."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_text().splitlines():
            uuid, tick, version = line.split()
            found.append((uuid, int(tick), int(version)))
        return found

    def of(self, name: str) -> list[int]:
        """The ticks of a schedule for which something ran, in order."""
        return sorted(tick for uuid, tick, _ in self.lines() if uuid == tick_uuid(name, tick))

    def wait(self, name: str, many: int) -> list[int]:
        """Wait until so many ticks of a schedule have run, and return them all."""
        eventually(lambda: len(self.of(name)) >= many, 60, lambda: f"{name}: {self.lines()}")
        return self.of(name)


def assert_each_once(ticks: list[int], step: int = 1_000) -> None:
    """Fail if a tick of an interval is missing, or there is one twice."""
    assert ticks
    assert ticks == list(range(ticks[0], ticks[-1] + 1, step))


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_schedules_of_a_second_are_fired_exactly_once(project: Project, pool: str) -> None:
    """Declared ones, which the pool has brought into the store, and stored ones; by two pools at once."""
    tasks = project.write(BODY)
    tasks.stored.schedule("by-hand", tasks.IntervalTrigger(seconds=1), args=(7,))
    workers = [project.worker(pool=pool) for _ in range(2)]
    ticks = Ticks(project)
    ticks.wait("declared", 4)
    ticks.wait("by-hand", 4)
    assert [worker.stop() for worker in workers] == [0, 0]
    assert_each_once(ticks.of("declared"))
    assert_each_once(ticks.of("by-hand"))
    infos = {info.name: info for info in Inspector(tasks.broker).schedules()}
    assert infos["declared"].declared
    assert infos["declared"].orphaned
    assert infos["by-hand"].last_at in ticks.of("by-hand")[-2:]
