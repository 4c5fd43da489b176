"""A pool that serves its metrics and its health: the counters add up, and its health is true, also in an outage."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek.storage.backends.history import unpacked
from tests.conftest import RedisServer
from tests.integration.conftest import BACKENDS, HEADER, Project, Worker
from tests.waiting import eventually

WORK = """
    @task(broker, max_retries=0)
    def good() -> None:
        time.sleep(0.02)

    @task(broker, max_retries=1)
    def bad() -> None:
        raise Retry("once more", delay=0)

    @task(broker)
    def long() -> None:
        time.sleep(2)
"""

PORTS = ("--metrics-port=127.0.0.1:0", "--health-port=127.0.0.1:0")
POOLS = [
    ("thread-pool", "--n_threads=2", "--n_processes=2"),
    ("process-pool", "--n_processes=2", "--tasks_per_process=10"),
]


class Ports:
    """The ports of a pool."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.ports: dict[str, int] = {}
        for what in ("metrics", "health"):
            worker.logged(f"Serving {what} on port")
            found = re.search(rf"Serving {what} on port (\d+)", worker.log)
            assert found is not None
            self.ports[what] = int(found[1])

    def ask(self, path: str, port: str = "health") -> tuple[int, str]:
        """The status and the text of a page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a metric by the values of its labels, in the order of their names."""
        text = self.ask("/metrics", "metrics")[1]
        return {
            tuple(re.findall(r'="(.*?)"', labels)): float(value)
            for labels, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)$", text, re.MULTILINE)
        }

    def ended(self, task: str, outcome: str = "succeeded") -> float:
        """How many messages have ended so."""
        return self.metrics("alsek_messages_total").get((outcome, "alsek_queue", task), 0)


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """A server of the test's own."""
    return redis_server()


@pytest.fixture
def redis_project(server: RedisServer, tmp_path: Path) -> Iterator[Project]:
    """A project on that server."""
    pytest.importorskip("prometheus_client")
    backend = BACKENDS["redis"].format(url=server.url, namespace="metrics")
    project = Project(tmp_path, "redis", HEADER.format(backend=backend))
    yield project
    project.close()


def history(tasks: Any) -> dict[str, dict[str, int]]:
    """All that the store has counted, by task."""
    minute = int(time.time()) // 60
    texts: dict[str, str] = {}
    for row in tasks.backend.messages.history(minute - 60, minute + 1):
        texts[row.task] = f"{texts.get(row.task, '')} {row.counts}"
    return {task: unpacked(text) for task, text in texts.items()}


@pytest.mark.deep
@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("how", POOLS, ids=lambda how: how[0])
def test_counters_add_up_and_health_is_true(
    redis_project: Project, server: RedisServer, how: tuple[str, ...]
) -> None:
    """Over two groups or many processes, and an outage in the midst of the work; the store's history agrees."""
    tasks = redis_project.write(WORK)
    pool, *options = how
    for _ in range(150):
        tasks.good.generate()
    for _ in range(5):
        tasks.bad.generate()
    worker = redis_project.worker(*options, *PORTS, pool=pool)
    ports = Ports(worker)
    eventually(lambda: ports.ask("/ready") == (200, "ok\n"))
    eventually(lambda: ports.ended("good") > 0)

    server.pause()
    eventually(lambda: ports.ask("/ready")[0] == 503)
    assert ports.ask("/live") == (200, "ok\n")
    assert "Redis" in ports.ask("/ready")[1] or "store" in ports.ask("/ready")[1]
    assert ports.metrics("alsek_queue_messages") == {}
    assert ports.ended("good") > 0
    server.resume()
    eventually(lambda: ports.ask("/ready")[0] == 200)

    for _ in range(150):
        tasks.good.generate()
    eventually(lambda: ports.ended("good") == 300, 90)
    eventually(lambda: (ports.ended("bad", "failed"), ports.ended("bad", "retried")) == (5, 5))
    assert ports.metrics("alsek_message_run_seconds_count") == {
        ("alsek_queue", "good"): 300,
        ("alsek_queue", "bad"): 10,
    }
    assert ports.metrics("alsek_message_wait_seconds_count") == {
        ("alsek_queue", "good"): 300,
        ("alsek_queue", "bad"): 5,
    }
    eventually(lambda: ports.metrics("alsek_queue_messages").get(("alsek_queue", "dead")) == 5)
    eventually(lambda: ports.metrics("alsek_worker_slots").get(("busy",)) == 0)

    tasks.long.generate()
    eventually(lambda: ports.metrics("alsek_worker_slots").get(("busy",)) == 1)
    worker.process.terminate()
    eventually(lambda: ports.ask("/ready") == (503, "the pool is stopping\n"))
    assert worker.process.wait(60) == 0
    counted = history(tasks)
    assert (counted["good"]["o"], counted["bad"]["f"], counted["bad"]["r"]) == (300, 5, 5)
    assert counted["long"]["o"] == 1  # handed over when the pool stopped


@pytest.mark.slow
def test_a_port_in_use_ends_the_command_at_once(sqlite_project: Project) -> None:
    """With exit code 2 and a sentence, before anything is forked."""
    sqlite_project.write(WORK)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = sqlite_project.run("thread-pool", "tasks", f"--health-port=127.0.0.1:{port}")
    assert done.returncode == 2
    assert (
        f"alsek: health_port: can't listen on 127.0.0.1, port {port}: Address already in use" in done.stderr
    )


@pytest.mark.slow
def test_a_monitor_that_is_killed_is_started_again(sqlite_project: Project) -> None:
    """The pool goes on meanwhile, and the port stays the same."""
    tasks = sqlite_project.write(WORK)
    worker = sqlite_project.worker("--n_processes=1", "--health-port=127.0.0.1:0")
    worker.logged("Serving health on port")
    found = re.search(r"Serving health on port (\d+)", worker.log)
    assert found is not None
    url = f"http://127.0.0.1:{found[1]}/ready"
    worker.logged("Started monitor ")
    monitor = re.search(r"Started monitor (\d+)", worker.log)
    assert monitor is not None

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(ready)
    os.kill(int(monitor[1]), signal.SIGKILL)
    worker.logged("was killed by SIGKILL: it is started again.")
    tasks.good.generate()
    eventually(lambda: tasks.backend.messages.count("alsek_queue") == 0)
    eventually(ready)
    assert worker.stop() == 0


ENDED = """
import gc, os, sys
from alsek import Broker, task
from alsek.core.worker.thread import ThreadWorkerPool
from alsek.storage.backends.sqlite import SQLiteBackend

broker = Broker(SQLiteBackend("ended.db"))

@task(broker)
def nothing() -> None: ...

pool = ThreadWorkerPool([nothing], burst=True, n_processes=1, health_port="127.0.0.1:0")
gc.disable()
counts = []
for _ in range(3):
    pool.run()
    counts.append(len(os.listdir("/proc/self/fd")))
    try:
        print("left:", os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        pass
print("descriptors:", counts if len(set(counts)) > 1 else "as before")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_nothing_is_left_of_a_pool_that_has_ended(tmp_path: Path) -> None:
    """No monitor that still holds the ports, no zombie and no file descriptor, however often a program runs a pool."""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-c", ENDED], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.returncode) == ("descriptors: as before\n", 0)
    assert "ResourceWarning" not in ran.stderr
