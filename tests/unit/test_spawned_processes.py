"""Tasks, brokers and stores of results in processes that share nothing with the one that started them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from alsek.exceptions import SerializationError
from alsek.storage.backends import LazyClient
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend

#: It starts many processes.
pytestmark = pytest.mark.slow


def again(value: Any) -> Any:
    """As another process has it."""
    return pickle.loads(pickle.dumps(value))


TASKS = """
import os
from alsek import Broker, ResultStore, task
{imports}

backend = {backend}
broker = Broker(backend)
result_store = ResultStore(backend)

@task(broker, result_store=result_store)
def add(a, b):
    return a + b
"""

PROGRAM = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from tasks import add, backend, broker, result_store

def elsewhere(task, broker, result_store, message):
    import tasks
    assert task is tasks.add
    submitted = task.generate((message.args[0], 1), queue="by the task".replace(" ", "_"))
    broker.submit(message)
    result_store.set(message, os.getpid())
    return submitted

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    kept_back = add.defer().generate((1, 2))
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        one = executor.submit(elsewhere, add, broker, result_store, kept_back).result()
        two = executor.submit(add.generate, (3, 4)).result()
        three = executor.submit(add, 5, 6).result()
        try:
            executor.submit(add.generate, (3,)).result()
        except TypeError as error:
            assert "'b' is missing" in str(error)
        else:
            raise AssertionError
    assert broker.exists(one) and broker.exists(two) and broker.exists(kept_back)
    assert three == 11
    assert result_store.get(kept_back) != os.getpid()
    process = context.Process(target=add.generate, args=((7, 8),), kwargs={"uuid": "by-a-process"})
    process.start()
    process.join()
    assert process.exitcode == 0
    assert backend.count("queues:alsek_queue") == 3
    print("all there")
"""


def run(folder: Path, imports: str, backend: str) -> None:
    """Run the program on such a backend."""
    (folder / "tasks.py").write_text(TASKS.format(imports=imports, backend=backend))
    (folder / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.stdout.strip() == "all there", done.stdout + done.stderr


def test_processes_that_are_spawned_work_on_the_same_store_sqlite(tmp_path: Path) -> None:
    """Task, bound method, broker, result store and message reach them, and errors come back."""
    run(tmp_path, "from alsek.storage.backends.sqlite import SQLiteBackend", "SQLiteBackend('a.db')")


CONNECTIONS = {
    "url": "RedisBackend('{url}', namespace='by-url')",
    "client": "RedisBackend(Redis.from_url('{url}'), namespace='by-client')",
    "decoding client": "RedisBackend(Redis.from_url('{url}', decode_responses=True), namespace='decoded')",
    "lazy": "RedisBackend(LazyClient(partial(Redis.from_url, '{url}')), namespace='lazy')",
}


@pytest.mark.redis
@pytest.mark.parametrize("connection", CONNECTIONS)
def test_processes_that_are_spawned_work_on_the_same_store_redis(
    connection: str, tmp_path: Path, redis_url: str
) -> None:
    """Likewise, whatever the backend was given as connection."""
    imports = (
        "from functools import partial\nfrom redis import Redis\n"
        "from alsek.storage.backends.redis import RedisBackend\nfrom alsek.storage.backends import LazyClient"
    )
    run(tmp_path, imports, CONNECTIONS[connection].format(url=redis_url))


def test_other_backends_keep_their_options(tmp_path: Path) -> None:
    """Namespace, durability and timeout of a backend are those of its copy elsewhere, which is the same store."""
    sqlite = SQLiteBackend(tmp_path / "a.db", namespace="n", synchronous="FULL", timeout=77)
    other = again(sqlite)
    assert other is not sqlite
    assert other.same_store(sqlite)
    assert (other._synchronous, other._database._timeout, repr(other)) == ("FULL", 77, repr(sqlite))
    server = RedisBackend("redis://me:secret@127.0.0.1:1/3", namespace="n", timeout=77)
    other = again(server)
    assert other.same_store(server)
    assert (other._link.timeout, other.namespace) == (77, "n")


def test_a_connection_that_can_not_be_made_elsewhere_is_refused() -> None:
    """The error says what to give instead."""

    def local() -> Any: ...

    cluster = redis.RedisCluster.__new__(redis.RedisCluster)
    hooked = redis.Redis(connection_pool=redis.ConnectionPool(redis_connect_func=local))
    for connection in (LazyClient(local), LazyClient(lambda: None), cluster, hooked):
        backend = RedisBackend("redis://127.0.0.1:1")
        backend._link._source = connection
        with pytest.raises(SerializationError, match="give RedisBackend a url, or LazyClient"):
            pickle.dumps(backend)
