"""The tour's chapters on worker pools and the command line: one test a section, on SQLite and on Redis."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Project, made_project
from tests.integration.markdown_blocks import blocks_of
from tests.integration.test_tour import PAGES
from tests.waiting import eventually

WAIT_MS = 60_000

TASKS = """
@task(broker, result_store=result_store)
def where(seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return os.getpid()

@task(broker, result_store=result_store)
def meet(name: str, others: int) -> bool:
    (HERE / f"here-{name}").touch()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(list(HERE.glob("here-*"))) >= others:
            return True
        time.sleep(0.01)
    return False

@task(broker)
def note(name: str) -> None:
    with (HERE / "notes.txt").open("a") as file:
        file.write(name + " ")
"""

POOLS = ["thread-pool", "process-pool"]

#: Every line of shell of the pages that starts a pool or asks for help.
COMMANDS = sorted(
    {
        line.strip()
        for page in PAGES.values()
        for block in blocks_of(page, "shell")
        for line in block.code.splitlines()
        if line.strip().startswith("alsek ")
    }
)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.deep)])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """A project on each store. That pools do the same on Redis is shown by other tests, too."""
    yield from made_project(request, tmp_path, request.param)


def notes(project: Project) -> list[str]:
    """What `note` has written."""
    path = project.folder / "notes.txt"
    return path.read_text().split() if path.exists() else []


def nested(project: Project, *files: str) -> None:
    """Packages around modules of tasks."""
    for file in files:
        project.write(TASKS, file)
        for parent in Path(file).parents:
            if parent != Path():
                (project.folder / parent / "__init__.py").touch()


@pytest.mark.parametrize("pool", POOLS)
def test_tour_worker_pools(project: Project, pool: str) -> None:
    """Both kinds run what they are given, give results back, and stop in good order."""
    tasks = project.write(TASKS)
    worker = project.worker("--n_processes", "2", pool=pool)
    messages = [tasks.where.generate() for _ in range(20)]
    pids = {tasks.result_store.get(message, timeout=WAIT_MS) for message in messages}
    assert worker.process.pid not in pids
    assert os.getpid() not in pids
    assert worker.stop() == 0


def test_tour_worker_pools_thread_worker_pool(project: Project) -> None:
    """`n_threads` times `n_processes` tasks run at once, in as many processes as that needs."""
    tasks = project.write(TASKS)
    project.worker("--n_threads", "3", "--n_processes", "2")
    messages = [tasks.meet.generate(args=(str(n), 6)) for n in range(6)]
    assert all(tasks.result_store.get(message, timeout=WAIT_MS) for message in messages)


def test_tour_worker_pools_process_worker_pool(project: Project) -> None:
    """Four tasks at once are in four processes, none of which is the pool's; the processes end with their tasks."""
    tasks = project.write(TASKS)
    worker = project.worker("--n_processes", "4", "--prune_interval", "100", pool="process-pool")
    messages = [tasks.where.generate(args=(0.5,)) for _ in range(4)]
    pids = [tasks.result_store.get(message, timeout=WAIT_MS) for message in messages]
    assert len(set(pids)) == 4
    assert worker.process.pid not in pids
    later = {tasks.result_store.get(tasks.where.generate(), timeout=WAIT_MS) for _ in range(3)}
    assert len(later) == 3
    assert not later & set(pids)
    eventually(lambda: not any(_alive(pid) for pid in (*pids, *later)))


@pytest.mark.parametrize("pool", POOLS)
def test_tour_worker_pools_performance_considerations(project: Project, pool: str) -> None:
    """A pool can be stopped while a task computes without end: it is given back, and nothing is left running."""
    tasks = project.write(
        TASKS
        + """
@task(broker, max_retries=0, status_tracker=status_tracker)
def for_ever() -> None:
    (HERE / "pid").write_text(str(os.getpid()))
    while True:
        pass
"""
    )
    worker = project.worker("--n_processes", "1", "--shutdown_timeout", "300", pool=pool)
    message = tasks.for_ever.generate()
    eventually(lambda: (project.folder / "pid").exists() and (project.folder / "pid").read_text() != "")
    assert worker.stop(timeout=60) == 0
    eventually(lambda: not _alive(int((project.folder / "pid").read_text())))
    assert tasks.broker.exists(message)
    assert tasks.broker.sync_from_backend(message).retries == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_tour_cli(project: Project, command: str) -> None:
    """Each line of shell of the pages does what it is there for: a pool that serves and stops, or a help text."""
    arguments = command.split()[1:]
    if "--help" in arguments:
        shown = project.run(*arguments)
        assert shown.returncode == 0
        assert "Usage: alsek" in shown.stdout
        return
    nested(project, "my_tasks.py", "my_project/my_tasks.py")
    tasks = project.write(TASKS)
    pool, target, *options = arguments
    worker = project.worker(*options, target=target, pool=pool)
    found = re.search(r"queue_\w", command)
    message = tasks.where.generate(queue=found[0] if found is not None else None)
    assert tasks.result_store.get(message, timeout=WAIT_MS) > 0
    assert worker.stop() == 0, worker.log


def test_tour_cli_help_is_complete(project: Project) -> None:
    """`--help` names both pools and every option of the tour, and dashes are as good as underscores."""
    assert all(pool in project.run("--help").stdout for pool in POOLS)
    threads = project.run("thread-pool", "--help").stdout
    processes = project.run("process-pool", "--help").stdout
    for option in (
        "n_threads",
        "n_processes",
        "slot_wait_interval",
        "complete_only_on_thread_exit",
        "queues",
    ):
        assert f"--{option}" in threads
        assert f"--{option.replace('_', '-')}" in threads
    for option in ("n_processes", "prune_interval", "queues", "tasks_per_process"):
        assert f"--{option}" in processes
        assert f"--{option.replace('_', '-')}" in processes
    assert "-qu" in threads
    assert "-qu" in processes


@pytest.mark.parametrize("pool", POOLS)
def test_tour_cli_basics(project: Project, pool: str) -> None:
    """A module in the working directory is found by its name."""
    tasks = project.write(TASKS, "my_tasks.py")
    project.worker("--n_processes", "1", target="my_tasks", pool=pool)
    assert tasks.result_store.get(tasks.where.generate(), timeout=WAIT_MS)


@pytest.mark.parametrize("pool", POOLS)
def test_tour_cli_basics_nested_files(project: Project, pool: str) -> None:
    """A module in a package is found by its dotted path, with what it imports from beside it."""
    tasks = project.write(TASKS, "my_project/singletons.py")
    (project.folder / "my_project/__init__.py").touch()
    (project.folder / "my_project/my_tasks.py").write_text("from my_project.singletons import where\n")
    project.worker("--n_processes", "1", target="my_project.my_tasks", pool=pool)
    assert tasks.result_store.get(tasks.where.generate(), timeout=WAIT_MS)


def test_tour_cli_basics_recursive(project: Project) -> None:
    """A directory is scanned for all tasks, however deep they lie."""
    nested(project, "my_project/deep/er/my_tasks.py")
    tasks = project.write(
        "@task(broker, result_store=result_store)\ndef top() -> int:\n    return 1\n",
        "my_project/top_tasks.py",
    )
    deep = tasks.top.generate(submit=False)
    deep.task_name = "where"
    tasks.broker.submit(deep)
    project.worker("--n_processes", "1", target="my_project")
    assert tasks.result_store.get(tasks.top.generate(), timeout=WAIT_MS) == 1
    assert tasks.result_store.get(deep, timeout=WAIT_MS)


def test_tour_cli_advanced_options(project: Project) -> None:
    """A message for an unknown task is logged as an error and failed; the pool goes on."""
    tasks = project.write(TASKS)
    stranger = tasks.where.generate(submit=False)
    stranger.task_name = "nobody_knows_it"
    tasks.broker.submit(stranger)
    worker = project.worker("--n_processes", "1")
    eventually(lambda: tasks.broker.in_dlq(stranger))
    worker.logged("nobody_knows_it")
    assert "ERROR" in worker.log
    assert tasks.result_store.get(tasks.where.generate(), timeout=WAIT_MS)


@pytest.mark.parametrize("pool", POOLS)
def test_tour_cli_advanced_options_queue_selection(project: Project, pool: str) -> None:
    """`-qu` limits the queues and orders them; without it all are drained in alphabetical order, new ones too."""
    tasks = project.write(TASKS)
    for queue in ("queue_a", "queue_b", "queue_z", "queue_x"):
        for number in (1, 2):
            tasks.note.generate(args=(f"{queue[-1]}{number}",), queue=queue)
    one = ("--n_threads", "1") if pool == "thread-pool" else ()
    worker = project.worker("-qu", "queue_z,queue_a", "--n_processes", "1", *one, pool=pool)
    eventually(lambda: len(notes(project)) == 4)
    assert notes(project) == ["z1", "z2", "a1", "a2"]
    assert worker.stop() == 0
    project.worker("--n_processes", "1", *one, pool=pool)
    eventually(lambda: len(notes(project)) == 8)
    assert notes(project)[4:] == ["b1", "b2", "x1", "x2"]
    tasks.note.generate(args=("new",), queue="a_new_queue")
    eventually(lambda: notes(project)[8:] == ["new"])


def test_tour_cli_advanced_options_worker_capacity(project: Project) -> None:
    """A full pool leaves messages to other pools: what one can't start, another takes at once."""
    tasks = project.write(TASKS)
    project.worker("--n_threads", "1", "--n_processes", "1").logged("Started group")
    messages = [tasks.meet.generate(args=(str(n), 3)) for n in range(3)]
    eventually(lambda: (project.folder / "here-0").exists())
    time.sleep(0.1)  # nothing tells that a full pool takes nothing, but time
    assert len(list(project.folder.glob("here-*"))) == 1
    project.worker("--n_threads", "2", "--n_processes", "1")
    assert all(tasks.result_store.get(message, timeout=WAIT_MS) for message in messages)


@pytest.mark.parametrize(("threads", "processes"), [("8", "1"), ("1", "4")])
def test_tour_cli_advanced_options_worker_capacity_thread_based_worker_pools(
    project: Project, threads: str, processes: str
) -> None:
    """`--n_threads` and `--n_processes` bound what runs at once, by their product; groups are added as needed."""
    tasks = project.write(TASKS)
    worker = project.worker("--n_threads", threads, "--n_processes", processes)
    capacity = int(threads) * int(processes)
    worker.logged("Started group")
    assert len(worker.children()) == 1
    messages = [tasks.meet.generate(args=(str(n), capacity)) for n in range(capacity)]
    assert all(tasks.result_store.get(message, timeout=WAIT_MS) for message in messages)
    assert len(worker.children()) == int(processes)


def test_tour_cli_advanced_options_worker_capacity_process_based_worker_pools(project: Project) -> None:
    """`--n_processes 4` runs four tasks at once, and not five."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "4", pool="process-pool")
    first = [tasks.meet.generate(args=(str(n), 4)) for n in range(4)]
    assert all(tasks.result_store.get(message, timeout=WAIT_MS) for message in first)
    busy = [tasks.where.generate(args=(0.5,)) for _ in range(5)]
    eventually(lambda: sum(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")) >= 4)
    assert sum(m.state == "claimed" for m in tasks.backend.messages.browse("alsek_queue")) == 4
    assert len({tasks.result_store.get(message, timeout=WAIT_MS) for message in busy}) == 5


def test_tour_cli_advanced_options_performance_tuning(project: Project) -> None:
    """Intervals only bound waits; with `--complete_only_on_thread_exit` a slot is busy until its thread ends."""
    tasks = project.write(
        TASKS
        + """
@task(broker, result_store=result_store, timeout=1_000, max_retries=0)
def deaf() -> None:
    try:
        time.sleep(3.5)  # beyond the second after which the slot would be given to another, and between interruptions
    finally:
        (HERE / "woke").touch()
"""
    )
    project.worker(
        "--complete-only-on-thread-exit",
        "--slot_wait_interval",
        "50",
        "--n_threads",
        "1",
        "--n_processes",
        "1",
    )
    tasks.deaf.generate()
    after = tasks.where.generate()
    assert tasks.result_store.get(after, timeout=WAIT_MS)
    assert (project.folder / "woke").exists()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
