"""Schedules, fired by real pools: each tick exactly once, whatever happens to the pools, the store and the clocks.

Ticks that are late by more than five seconds are fired too (``missed="all"``): the machine may be slow.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

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
from alsek.core.schedules.scheduled import Scheduled

def note(message, version=1):
    with (HERE / "ticks.txt").open("a") as file:
        file.write(f"{message.uuid} {message.created_at} {version}\\n")

@task(broker, schedule=Scheduled(IntervalTrigger(seconds=1), missed="all"))
def declared(message: Message) -> None:
    note(message)

@task(broker)
def stored(number: int, message: Message) -> None:
    note(message, number)
"""


DECLARED = '@task(broker, schedule=Scheduled(IntervalTrigger(seconds=1), missed="all"))'


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

    def each_once(self, name: str, many: int) -> list[int]:
        """Wait until so many ticks of a schedule of a second have run, each once and none left out; return them."""
        eventually(lambda: _in_a_row(self.of(name), many), 60, lambda: f"{name}: {self.lines()}")
        return self.of(name)

    def all_run(self, name: str, many: int) -> None:
        """The same, where messages may run twice because their process was killed."""
        eventually(lambda: _in_a_row(sorted(set(self.of(name))), many), 60, lambda: f"{name}: {self.lines()}")

    def wait(self, name: str, many: int) -> list[int]:
        """Wait until so many ticks of a schedule have run, and return them all."""
        eventually(lambda: len(self.of(name)) >= many, 60, lambda: f"{name}: {self.lines()}")
        return self.of(name)


def _in_a_row(ticks: list[int], many: int) -> bool:
    return len(ticks) >= many and ticks == list(range(ticks[0], ticks[-1] + 1, 1_000))


@pytest.mark.each_store
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_schedules_of_a_second_are_fired_exactly_once(project: Project, pool: str) -> None:
    """Declared ones, which the pool has brought into the store, and stored ones; by two pools at once."""
    tasks = project.write(BODY)
    tasks.stored.schedule("by-hand", tasks.IntervalTrigger(seconds=1), args=(7,), missed="all")
    workers = [project.worker(pool=pool) for _ in range(2)]
    ticks = Ticks(project)
    ticks.each_once("declared", 4)
    ticks.each_once("by-hand", 4)
    for worker in workers:
        worker.logged("Started group")
    assert [worker.stop() for worker in workers] == [0, 0]
    infos = {info.name: info for info in Inspector(tasks.broker).schedules()}
    assert infos["declared"].declared
    assert infos["declared"].orphaned
    assert (infos["by-hand"].last_at or 0) >= ticks.of("by-hand")[-1]


HOSTILE = """
import threading
from apscheduler.triggers.interval import IntervalTrigger
from alsek import Middleware

class Hostile(Middleware):
    def submitting(self, message):
        if message.task_name == "hangs":
            threading.Event().wait()
        if message.task_name == "raises":
            raise ValueError("not this one")

plain = broker
broker = Broker(backend, middleware=[Hostile()])

def note(message, version=1):
    with (HERE / "ticks.txt").open("a") as file:
        file.write(f"{message.uuid} {message.created_at} {version}\\n")

@task(broker)
def hangs() -> None: ...

@task(broker)
def raises() -> None: ...

@task(broker)
def works(message: Message) -> None:
    note(message)
"""


@pytest.mark.deep
@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_middleware_that_hangs_harms_only_its_own_schedule(sqlite_project: Project, pool: str) -> None:
    """The others are fired, those whose middleware raises go on to their next tick, and the pool stops in time."""
    tasks = sqlite_project.write(HOSTILE)
    for each in (tasks.hangs, tasks.raises, tasks.works):
        each.schedule(each.name, tasks.IntervalTrigger(seconds=1), missed="all")
    worker = sqlite_project.worker(pool=pool)
    Ticks(sqlite_project).each_once("works", 4)
    infos = {info.name: info for info in Inspector(tasks.broker).schedules()}
    assert infos["raises"].late < 5_000
    assert worker.stop(timeout=60) == 0
    assert "Middleware has refused the message of schedule 'raises'" in worker.log


@pytest.mark.deep
def test_a_rolling_deploy_fires_each_tick_once(project: Project) -> None:
    """Old and new code side by side, with different triggers: there are never two ticks at once, and never none."""
    declared = "@task(broker, schedule=Scheduled(CronTrigger(second={!r}, timezone='UTC'), missed='all'))\n"
    function = "def tick(message: Message) -> None:\n"
    old, new = declared.format("*") + function, declared.format("*/2") + function
    head = BODY[: BODY.index("@task(broker, schedule")]
    project.write(f"{head}{old}    note(message, 1)\n")
    ticks = Ticks(project)
    first = project.worker()
    before = ticks.wait("tick", 3)
    project.write(f"{head}{new}    note(message, 2)\n")
    second = project.worker()
    eventually(lambda: {version for _, _, version in ticks.lines()} == {1, 2}, 60, lambda: str(ticks.lines()))
    assert first.stop() == 0
    since = time.time() * 1_000
    eventually(lambda: sum(tick > since for tick in ticks.of("tick")) >= 2, 60, lambda: str(ticks.lines()))
    assert second.stop() == 0
    found = ticks.of("tick")
    assert max(Counter(found).values()) == 1
    gaps = [later - earlier for earlier, later in pairwise(found)]
    turn = gaps.index(2_000)
    assert gaps[:turn] == [1_000] * turn
    assert gaps[turn:] == [2_000] * (len(gaps) - turn)
    assert found[: len(before)] == before


@pytest.mark.deep
def test_a_schedule_that_no_running_code_declares_is_left_alone(project: Project) -> None:
    """It is shown as orphaned. When it is declared again it goes on, by its policy for missed ticks."""
    tasks = project.write(BODY)
    ticks = Ticks(project)
    first = project.worker()
    ticks.wait("declared", 2)
    assert first.stop() == 0
    project.write(BODY.replace(DECLARED, "@task(broker)"))
    tasks.stored.schedule("by-hand", tasks.IntervalTrigger(seconds=1), args=(7,), missed="all")
    second = project.worker()
    ticks.wait("by-hand", 3)
    inspector = Inspector(tasks.broker)
    found = inspector.schedule("declared")
    assert found is not None
    assert found.orphaned
    number = len(ticks.of("declared"))
    eventually(lambda: (inspector.schedule("declared") or found).late > 6_000)
    assert len(ticks.of("declared")) == number
    project.write(BODY)
    third = project.worker()
    ticks.each_once("declared", number + 8)  # all that were missed, and more
    assert [second.stop(), third.stop()] == [0, 0]


@pytest.mark.deep
def test_a_pool_that_is_killed_while_it_fires_loses_no_tick(project: Project) -> None:
    """The whole of it, at any moment; another one goes on a second later."""
    tasks = project.write(BODY)
    for number in range(5):
        tasks.stored.schedule(f"s{number}", tasks.IntervalTrigger(seconds=1), args=(number,), missed="all")
    ticks = Ticks(project)
    for round_ in range(3):
        worker = project.worker("--lease", "3000")
        ticks.wait("s0", 3 * (round_ + 1))
        pids = [worker.process.pid, *worker.children()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        worker.process.wait(60)
    last = project.worker("--lease", "3000")
    for number in range(5):
        ticks.all_run(f"s{number}", 12)
    assert last.stop() == 0


@pytest.mark.deep
def test_hosts_with_wrong_clocks_fire_by_the_clock_of_the_store(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools whose clocks are ten minutes fast and slow: each tick once, and at its time."""
    if project.kind == "sqlite":
        pytest.skip("the clock of a file is that of the hosts")
    tasks = project.write(BODY)
    tasks.stored.schedule("by-hand", tasks.IntervalTrigger(seconds=1), args=(7,), missed="all")
    workers = [
        project.worker(env={**os.environ, "PYTHONPATH": str(SKEW), "ALSEK_CHAOS_SKEW": skew})
        for skew in ("600", "-600")
    ]
    ticks = Ticks(project)
    found = ticks.each_once("by-hand", 5)
    # The pool that starts last changes what the other has declared: from there on.
    eventually(lambda: _in_a_row(ticks.of("declared")[-3:], 3), 60, lambda: f"declared: {ticks.lines()}")
    assert abs(found[-1] - time.time() * 1_000) < 60_000
    assert [worker.stop() for worker in workers] == [0, 0]


def test_a_pool_with_burst_fires_what_is_due_and_ends(project: Project) -> None:
    """A schedule that is due when it starts counts as something to do; what it submits is run, too."""
    tasks = project.write(BODY)
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    tasks.stored.schedule("once", tasks.DateTrigger(soon), args=(7,))
    inspector = Inspector(tasks.broker)
    eventually(lambda: any(info.late for info in inspector.schedules()))
    worker = project.worker("--burst")
    assert worker.process.wait(60) == 0
    ((_, _, number),) = [line for line in Ticks(project).lines() if line[2] == 7]
    assert number == 7
    assert [info.name for info in inspector.schedules()] == ["declared", "once"]


def test_the_status_of_a_store_tells_of_its_schedules(sqlite_project: Project) -> None:
    """By the command, while a pool fires them: none is overdue or orphaned."""
    sqlite_project.write(BODY)
    worker = sqlite_project.worker()
    Ticks(sqlite_project).wait("declared", 2)
    said: Any = json.loads(sqlite_project.run("schedule", "list", "--json").stdout)
    assert [(each["name"], each["declared"], each["orphaned"]) for each in said] == [
        ("declared", True, False)
    ]
    assert "1 schedule\n" in sqlite_project.run("status").stdout
    assert worker.stop() == 0


WITHOUT_APSCHEDULER = """
import importlib.machinery

real = importlib.machinery.PathFinder.find_spec

def find_spec(name, *rest):
    return None if name.partition(".")[0] == "apscheduler" else real(name, *rest)

importlib.machinery.PathFinder.find_spec = find_spec
"""


@pytest.mark.deep
def test_a_pool_without_apscheduler_leaves_schedules_to_others(project: Project, tmp_path: Path) -> None:
    """It says so once, runs their messages, and waits for a pool that fires them, without looking all the time."""
    tasks = project.write(BODY)
    tasks.stored.schedule("by-hand", tasks.IntervalTrigger(seconds=1), args=(7,), missed="all")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(WITHOUT_APSCHEDULER)
    project.write("""
    @task(broker)
    def stored(number: int, message: Message) -> None:
        with (HERE / "ticks.txt").open("a") as file:
            file.write(f"{message.uuid} {message.created_at} {number}\\n")
    """)
    without = project.worker(env={**os.environ, "PYTHONPATH": str(hidden)})
    without.logged("This pool leaves 1 schedule to other pools: to fire schedules it needs APScheduler")
    inspector = Inspector(tasks.broker)
    eventually(lambda: any(info.late > 1_000 for info in inspector.schedules()))
    (worker,) = inspector.workers()
    assert worker.alive
    assert Ticks(project).lines() == []
    project.write(BODY, "others.py")
    firing = project.worker(target="others")
    Ticks(project).each_once("by-hand", 4)
    assert [without.stop(), firing.stop()] == [0, 0]
    assert without.log.count("This pool leaves") == 1


@pytest.mark.each_store
def test_what_the_store_has_lost_is_declared_again(project: Project) -> None:
    """A server that is started again without its data, say, or a namespace that is cleared while pools run."""
    tasks = project.write(BODY)
    worker = project.worker()
    Ticks(project).wait("declared", 1)
    tasks.broker.backend.clear_namespace()
    lost = len(Ticks(project).of("declared"))
    Ticks(project).wait("declared", lost + 2)
    assert [each.name for each in tasks.broker.schedules()] == ["declared"]
    assert worker.stop() == 0


@pytest.mark.deep
def test_a_reloaded_pool_brings_what_it_declares_now(sqlite_project: Project) -> None:
    """Each start of a pool does, that of ``--reload`` too."""
    tasks = sqlite_project.write(BODY)
    worker = sqlite_project.worker("--reload")
    inspector = Inspector(tasks.broker)
    Ticks(sqlite_project).wait("declared", 2)
    sqlite_project.write(
        BODY.replace("Scheduled(IntervalTrigger(seconds=1)", "Scheduled(IntervalTrigger(hours=7)")
    )
    eventually(lambda: [info.trigger for info in inspector.schedules()] == ["every 7 h"])
    assert worker.stop() == 0
