"""A master of a cluster is away, and with it some partitions: the messages of the others go on."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek import Broker
from alsek.exceptions import BackendUnavailableError
from tests.chaos.stores import AOF
from tests.clusters import ClusterOfServers
from tests.conftest import RedisServer
from tests.integration.partitioned_clusters import (
    partitions_by_master,
    project_on,
    uuid_of,
    without_replicas,
)
from tests.waiting import eventually

pytestmark = pytest.mark.redis

PARTITIONS = 8

_TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def hold(n: int) -> int:
    with (HERE / "begun.txt").open("a") as begun:
        begun.write(f"{n}\\n")
    while not (HERE / "go").exists():
        time.sleep(0.02)
    return n

@task(broker, result_store=result_store, status_tracker=status_tracker)
def double(n: int) -> int:
    with (HERE / "begun.txt").open("a") as begun:
        begun.write(f"{n}\\n")
    return 2 * n
"""


@pytest.fixture
def lasting_cluster() -> Iterator[ClusterOfServers]:
    """A cluster whose servers can be started again on their data."""
    made = ClusterOfServers(RedisServer, AOF)
    try:
        made.start()
        yield made
    finally:
        made.discard()


class _Scene:
    """A project on a cluster of three masters without replicas, of which one is struck.

    Args:
        cluster: The servers.
        project: The project.
        folder: Its folder.
        has_number: Whether the struck one is that which has the number of partitions.
    """

    def __init__(
        self, cluster: ClusterOfServers, project: Any, folder: Path, has_number: bool = False
    ) -> None:
        self._project = project
        self.tasks = project.write(_TASKS)
        self.backend: Any = self.tasks.backend
        without_replicas(cluster)
        by_master = partitions_by_master(cluster, self.backend)
        mark = self.backend._ports.parts._marker._keys.messages()
        holder = cluster.servers.index(cluster.master_of(self.backend._link.client, mark))
        struck = next(each for each in (2, 1, 0) if (each == holder) == has_number)
        self.struck = cluster.servers[struck]
        self.away = by_master.pop(struck)
        self.there = [number for mine in by_master.values() for number in mine]
        self._begun = folder / "begun.txt"
        self._go = folder / "go"
        self.sent: dict[int, Any] = {}

    def send(self, task: Any, partition: int) -> Any:
        n = len(self.sent)
        self.sent[n] = message = task.generate(args=(n,), uuid=uuid_of(partition, PARTITIONS))
        return message

    def begun(self) -> Counter[int]:
        return Counter(map(int, self._begun.read_text().split())) if self._begun.exists() else Counter()

    def go(self) -> None:
        self._go.touch()

    def strike(self, fault: str) -> None:
        if fault == "hangs":
            self.struck.pause()
        else:
            self.struck.kill()

    def heal(self, fault: str) -> None:
        if fault == "hangs":
            self.struck.resume()
        else:
            self.struck.start()

    def all_end(self, messages: Iterable[Any]) -> None:
        for message in messages:
            n = next(n for n, sent in self.sent.items() if sent is message)
            want = 2 * n if message.task_name == "double" else n
            try:
                result = self.tasks.result_store.get(message, timeout=60_000, keep=True)
            except TimeoutError as error:
                pytest.fail(f"{error}:\n{self._project.logs()}")
            assert result == want

    def impatient(self) -> Broker:
        return Broker(self.backend.within(500))


_DEEP = (pytest.mark.deep, pytest.mark.slow)


@pytest.mark.parametrize(
    ("fault", "pool"),
    [
        ("hangs", "thread-pool"),
        pytest.param("hangs", "process-pool", marks=_DEEP),
        pytest.param("dies", "thread-pool", marks=_DEEP),
        pytest.param("dies", "process-pool", marks=_DEEP),
    ],
)
def test_the_others_go_on(fault: str, pool: str, lasting_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """What ran when the master went away ends, and what is submitted meanwhile; then what it had itself.

    All that is asserted of the others before the master is told to come back has happened without it.
    """
    with project_on(lasting_cluster, tmp_path, PARTITIONS) as project:
        scene = _Scene(lasting_cluster, project, tmp_path)
        tasks = scene.tasks
        size = ["--n_threads", "16"] if pool == "thread-pool" else ["--n_processes", "16"]
        worker = project.worker(*size, "--lease", "60000", pool=pool)
        held = {number: scene.send(tasks.hold, number) for number in range(PARTITIONS)}
        eventually(lambda: len(scene.begun()) == PARTITIONS, explain=lambda: worker.log)
        scene.strike(fault)
        scene.go()
        scene.all_end(held[number] for number in scene.there)
        for _ in range(3):
            scene.all_end([scene.send(tasks.double, number) for number in scene.there])
        with pytest.raises(BackendUnavailableError):
            scene.impatient().submit(
                tasks.double.generate(args=(0,), uuid=uuid_of(scene.away[0], PARTITIONS), submit=False)
            )
        worker.logged("is away, and the others go on")
        scene.heal(fault)
        for number in scene.away:
            scene.send(tasks.double, number)
        scene.all_end(scene.sent.values())
        eventually(lambda: scene.backend.messages.count("alsek_queue") == 0, explain=lambda: worker.log)
        assert scene.begun() == Counter(range(len(scene.sent))), worker.log
        assert worker.stop() == 0, worker.log


@pytest.mark.parametrize("has_number", [False, True], ids=["another", "that_has_the_number"])
@pytest.mark.deep
@pytest.mark.slow
def test_a_pool_starts_while_a_master_is_away(
    has_number: bool, lasting_cluster: ClusterOfServers, tmp_path: Path
) -> None:
    """It serves the others, also when it was idle; and the partitions of that master once it is back."""
    with project_on(lasting_cluster, tmp_path, PARTITIONS) as project:
        scene = _Scene(lasting_cluster, project, tmp_path, has_number)
        before = [scene.send(scene.tasks.double, number) for number in range(PARTITIONS)]
        scene.strike("hangs")
        worker = project.worker("--n_threads", "4")
        scene.all_end(before[number] for number in scene.there)
        for number in scene.there:
            scene.all_end([scene.send(scene.tasks.double, number)])
        worker.logged("is away, and the others go on")
        scene.heal("hangs")
        scene.all_end(before)
        scene.all_end([scene.send(scene.tasks.double, number) for number in range(PARTITIONS)])
        assert scene.begun() == Counter(range(len(scene.sent))), worker.log
        assert worker.stop() == 0, worker.log


@pytest.mark.deep
@pytest.mark.slow
def test_a_pool_stops_while_a_master_is_away(lasting_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """It ends. What it could not tell the master is run again by another pool, once the lease has ended there."""
    with project_on(lasting_cluster, tmp_path, PARTITIONS) as project:
        scene = _Scene(lasting_cluster, project, tmp_path)
        options = ["--n_threads", "16", "--lease", "5000", "--shutdown_timeout", "2000"]
        worker = project.worker(*options)
        held = [scene.send(scene.tasks.hold, number) for number in range(PARTITIONS)]
        eventually(lambda: len(scene.begun()) == PARTITIONS, explain=lambda: worker.log)
        scene.strike("hangs")
        scene.go()
        scene.all_end(held[number] for number in scene.there)
        assert worker.stop() == 0, worker.log
        scene.heal("hangs")
        heir = project.worker(*options)
        scene.all_end(held)
        runs = scene.begun()
        assert {number: runs[number] for number in scene.there} == dict.fromkeys(scene.there, 1)
        assert heir.stop() == 0, heir.log


@pytest.mark.deep
@pytest.mark.slow
def test_a_group_is_killed_while_a_master_is_away(lasting_cluster: ClusterOfServers, tmp_path: Path) -> None:
    """What it held in the other partitions is run again at once, long before a lease ends."""
    with project_on(lasting_cluster, tmp_path, PARTITIONS) as project:
        scene = _Scene(lasting_cluster, project, tmp_path)
        worker = project.worker("--n_threads", "16", "--lease", "600000", "--max_losses", "10")
        held = [scene.send(scene.tasks.hold, number) for number in range(PARTITIONS)]
        eventually(lambda: len(scene.begun()) == PARTITIONS, explain=lambda: worker.log)
        scene.strike("hangs")
        (group,) = worker.children()
        os.kill(group, signal.SIGKILL)
        scene.go()
        scene.all_end(held[number] for number in scene.there)
        scene.heal("hangs")
        scene.all_end(held)
        assert worker.stop() == 0, worker.log


@pytest.mark.parametrize("has_number", [False, True], ids=["another", "that_has_the_number"])
@pytest.mark.deep
@pytest.mark.slow
def test_a_burst_waits_for_what_is_away(
    has_number: bool, lasting_cluster: ClusterOfServers, tmp_path: Path
) -> None:
    """It does not take a master that does not answer for one that has nothing."""
    with project_on(lasting_cluster, tmp_path, PARTITIONS) as project:
        scene = _Scene(lasting_cluster, project, tmp_path, has_number)
        sent = [scene.send(scene.tasks.double, number) for number in range(PARTITIONS)]
        scene.strike("hangs")
        worker = project.worker("--burst")
        scene.all_end(sent[number] for number in scene.there)
        worker.logged("is away, and the others go on")
        assert worker.process.poll() is None
        scene.heal("hangs")
        assert worker.process.wait(60) == 0, worker.log
        scene.all_end(sent)
