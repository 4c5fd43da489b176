"""The operator's commands, on real stores and beside real pools."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.sentinel import MasterNotFoundError, Sentinel

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import RedisServer, free_port, redis_binary
from tests.integration.conftest import Project
from tests.waiting import eventually

TASKS = """
@task(broker, result_store=result_store, max_retries=0)
def add(a: int, b: int) -> int:
    return a + b

@task(broker, result_store=result_store, max_retries=0)
def fail(kind: str) -> None:
    if kind == "key":
        raise KeyError(kind)
    raise ValueError(kind)
"""


def _json(project: Project, *arguments: str) -> Any:
    done = project.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.each_store
def test_a_result_is_waited_for(project: Project) -> None:
    """`submit --wait` prints what the task returned; a task that fails gives exit code 1 and its traceback."""
    project.write(TASKS)
    project.worker("--n_processes", "1").logged("Tasks:")
    done = project.run("submit", "tasks", "add", "--args", "[1]", "--kwargs", '{"b": 2}', "--wait", "20000")
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    found = _json(project, "submit", "tasks", "add", "--args", "[1, 2]", "--wait")
    assert (found["result"], found["task"]) == (3, "add")
    done = project.run("submit", "tasks", "fail", "--args", '["key"]', "--wait", "20000", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["details"]["name"] == "KeyError"
    assert "raise KeyError(kind)" in done.stderr


@pytest.mark.deep
def test_dead_letters_are_found_replayed_and_run(project: Project) -> None:
    """Over a real pool: by cause, after a dry run, only those that were chosen."""
    tasks = project.write(TASKS)
    worker = project.worker("--n_processes", "1")
    for number in range(9):
        tasks.fail.generate(args=("key" if number % 3 else "value",))
    queue = tasks.fail.queue
    eventually(lambda: tasks.backend.messages.dead_count(queue) == 9)
    groups = _json(project, "dead", "list", "--group", "--package", "tasks")
    assert [(group["exception"], group["count"]) for group in groups] == [("KeyError", 6), ("ValueError", 3)]
    chosen = ("dead", "replay", "--package", "tasks", "--fingerprint", groups[0]["fingerprint"])
    assert _json(project, *chosen, "--dry-run")["would_be_replayed"] == 6
    assert worker.stop() == 0
    assert _json(project, *chosen) == {"replayed": 6, "skipped": 0}
    status = _json(project, "status", "--package", "tasks")
    assert (status["ready"], status["dead"]) == (6, 3)


@pytest.mark.each_store
def test_a_replay_is_interrupted_and_goes_on(project: Project) -> None:
    """After Ctrl-C the numbers add up: what was said to be replayed is ready, and the rest is still dead."""
    tasks = project.write(TASKS)
    messages = tasks.fail.generate_many([("value",)] * 3_000)
    command = project.command("dead", "replay", "--package", "tasks", "--all", "--json")
    for _ in range(5):  # the signal may come when all has been replayed
        for message in messages:
            tasks.broker.fail(message, ValueError("value"))
        with subprocess.Popen(
            command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            eventually(lambda: tasks.backend.messages.count(tasks.fail.queue) > 100)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        said = json.loads(out)
        if said.get("replayed") != len(messages):
            break
    assert process.returncode == 1, said
    assert "interrupted" in said["error"]
    assert tasks.backend.messages.count(tasks.fail.queue) == said["replayed"]
    assert tasks.backend.messages.dead_count(tasks.fail.queue) == 3_000 - said["replayed"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@127.0.0.1:1",
        "redis+sentinel://:secret@127.0.0.1:1/shop",
        "redis+cluster://:secret@127.0.0.1:1",
        "unix:///nowhere/redis.sock",
    ],
)
def test_a_store_that_is_away_is_one_sentence(tmp_path: Path, url: str) -> None:
    """Exit code 3; nothing else is on stderr, and no password anywhere."""
    done = Project(tmp_path, "redis", "").run("status", "--store", url, "--json")
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("alsek: ")
    assert done.stderr.count("\n") == 1
    assert "can't be reached" in json.loads(done.stdout)["error"]
    assert "secret" not in done.stderr + done.stdout


@pytest.fixture
def sentinel(redis_server: Callable[..., RedisServer]) -> Iterator[str]:
    """The url of a service that a sentinel watches."""
    master = redis_server()
    with tempfile.TemporaryDirectory(prefix="alsek-sentinel-") as folder:
        settings, port = Path(folder) / "sentinel.conf", free_port()
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor shop 127.0.0.1 {master.port} 1\n"
        )
        process = subprocess.Popen([redis_binary(), str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            asked = Sentinel([("127.0.0.1", port)], socket_timeout=1)

            def knows() -> bool:
                try:
                    return bool(asked.discover_master("shop"))
                except MasterNotFoundError:
                    return False

            eventually(knows)
            yield f"redis+sentinel://127.0.0.1:{port}/shop/0"
        finally:
            process.kill()
            process.wait()


def _sees_its_store(folder: Path, url: str, namespace: str) -> None:
    project = Project(folder, "redis", "")
    backend = RedisBackend(url, namespace=namespace)
    try:
        Broker(backend).submit(Message("work", queue="q", uuid="one"))
        where = ("--store", url, "--namespace", namespace)
        assert [queue["name"] for queue in _json(project, "queue", "list", *where)] == ["q"]
        assert _json(project, "revoke", "one", *where) == [{"uuid": "one", "queue": "q", "state": "ready"}]
        found = json.loads(project.run("check", *where, "--json").stdout)["findings"]
        assert {finding["subject"]: finding["level"] for finding in found}["role"] == "ok"
    finally:
        backend.clear_namespace()
        backend.close()


def test_a_service_of_sentinels_is_a_store(tmp_path: Path, sentinel: str) -> None:
    """`redis+sentinel://` is all that a command needs to find the master."""
    _sees_its_store(tmp_path, sentinel, "shop")


def test_a_cluster_is_a_store(tmp_path: Path, redis_cluster: ClusterOfServers) -> None:
    """`redis+cluster://` with some nodes is all that a command needs."""
    url = redis_cluster.url.replace("redis://", "redis+cluster://")
    _sees_its_store(tmp_path, url, f"t{uuid4().hex[:12]}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(sqlite_project: Project, shell: str) -> None:
    """The script is one that the shell can read, and bash completes with it."""
    done = sqlite_project.run("completion", shell)
    assert done.returncode == 0
    script = sqlite_project.folder / f"alsek.{shell}"
    script.write_text(done.stdout)
    if shutil.which(shell) is None:
        assert "_ALSEK_COMPLETE" in done.stdout
        return
    subprocess.run([shell, "-n", str(script)], check=True, timeout=60)
    if shell == "bash":
        asked = "COMP_WORDS=(alsek dead re); COMP_CWORD=2; _alsek_completion alsek"
        program = f'source {script}; {asked}; echo "${{COMPREPLY[@]}}"'
        path = f"{Path(sqlite_project.command()[0]).parent}:{os.environ['PATH']}"
        shown = subprocess.run(
            ["bash", "-c", program],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "replay" in shown.stdout, shown.stderr
