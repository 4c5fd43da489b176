"""Real pools, through the real command, on real stores."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from alsek.storage.backends.abstract import Backend
from tests.waiting import eventually

HEADER = """
from __future__ import annotations

import os
import time
from pathlib import Path

from alsek import Broker, Message, ResultStore, StatusTracker, task
from alsek.core.hooks import on_worker_start, on_worker_stop
from alsek.exceptions import Reject, Retry
{backend}

broker = Broker(backend)
result_store = ResultStore(backend)
status_tracker = StatusTracker(backend)
HERE = Path(__file__).parent
"""

BACKENDS = {
    "sqlite": "from alsek.storage.backends.sqlite import SQLiteBackend\nbackend = SQLiteBackend({path!r})",
    "redis": (
        "from alsek.storage.backends.redis import RedisBackend\n"
        "backend = RedisBackend({url!r}, namespace={namespace!r})"
    ),
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of this suite."""
    config.addinivalue_line(
        "markers", "each_store: how the store does its part is what is tested: never deep on Redis"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a pool does by itself is the same on each store: on Redis it is a repetition, and so it is deep."""
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and hasattr(item, "callspec")
            and item.callspec.params.get("project") == "redis"
            and item.get_closest_marker("each_store") is None
        ):
            item.add_marker(pytest.mark.deep)


class Worker:
    """A pool started by the ``alsek`` command."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def children(self) -> list[int]:
        """The pids of its child processes now."""
        return children_of(self.process.pid)

    def logged(self, text: str, timeout: float = 60) -> None:
        """Return once `text` is in the log."""
        eventually(lambda: text in self.log, timeout, lambda: f"{text!r} is not in the log:\n{self.log}")

    def begin_to_stop(self) -> None:
        """Send SIGTERM, and return once the pool has said that what runs may finish."""
        self.process.send_signal(signal.SIGTERM)
        self.logged("Stopping: running tasks have")

    def stop_at_once(self) -> int:
        """Send SIGTERM until it has ended; the exit code. The second counts if a second lies between the two."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.1)
        return self.process.wait()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 60) -> int:
        """Send a signal, and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=timeout)


#: A task that begins, and ends when it is told to.
FINISH = """
@task(broker, result_store=result_store)
def finish() -> str:
    (HERE / "begun").touch()
    while not (HERE / "go").exists():
        time.sleep(0.1)
    return "finished"
"""


class Project:
    """A folder with a `tasks.py`, and a store of its own.

    Attributes:
        tasks: The module, as the producer imports it.
    """

    def __init__(self, folder: Path, kind: str, header: str) -> None:
        self.folder = folder
        self.kind = kind
        self._header = header
        self._workers: list[Worker] = []
        self._modules: list[ModuleType] = []

    def write(self, body: str, name: str = "tasks.py") -> Any:
        """Write a module, with the store's objects above `body`, and import it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._header + textwrap.dedent(body))
        spec = importlib.util.spec_from_file_location(f"project_{time.monotonic_ns()}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._modules.append(module)
        return module

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``alsek`` with these arguments."""
        return [sys.executable, "-m", "alsek.cli", *arguments]

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``alsek`` to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def worker(self, *arguments: str, target: str = "tasks", pool: str = "thread-pool", **how: Any) -> Worker:
        """Start a pool; `how` is for :class:`subprocess.Popen`."""
        return self._start(self.command(pool, target, *arguments), **how)

    def run_file(self, name: str) -> Worker:
        """Start a pool by a program of the project's own."""
        return self._start([sys.executable, name])

    def _start(self, command: list[str], **how: Any) -> Worker:
        log = self.folder / f"worker-{len(self._workers)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=self.folder, **{"stderr": out, "stdout": out, **how})
        worker = Worker(process, log)
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """End all that was started, by pid."""
        for worker in self._workers:
            children = worker.children()
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
            for pid in children:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        for module in self._modules:
            backend: Backend = module.backend
            backend.clear_namespace()
            backend.close()

    def logs(self) -> str:
        """What the workers have logged, for a failure's report."""
        return "\n".join(f"── worker {number}\n{worker.log}" for number, worker in enumerate(self._workers))


def children_of(pid: int) -> list[int]:
    """The pids of a process's children."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def made_project(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[Project]:
    """Make a project on a store of this kind, and end it."""
    if kind == "redis":
        url = request.getfixturevalue("redis_url")
        backend = BACKENDS["redis"].format(url=url, namespace=f"it{time.monotonic_ns()}")
    else:
        backend = BACKENDS["sqlite"].format(path=str(folder / "alsek.db"))
    project = Project(folder, kind, HEADER.format(backend=backend))
    failed = request.session.testsfailed
    try:
        yield project
    finally:
        if request.session.testsfailed > failed:
            sys.stderr.write(project.logs())
        project.close()


@pytest.fixture(params=["sqlite", "redis"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A project on each store."""
    yield from made_project(request, tmp_path, request.param)


@pytest.fixture
def sqlite_project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A project on SQLite, where the store makes no difference."""
    yield from made_project(request, tmp_path, "sqlite")
