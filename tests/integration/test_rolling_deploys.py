"""Workers and producers of 0.1.0 and of this version on one SQLite file, as in a rolling deploy."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rolling_deploy import RollingDeploy

pytestmark = [pytest.mark.deep, pytest.mark.slow]

OLD = "0.1.0"

TASKS = """
import time
from pathlib import Path

from alsek import Broker, Message, ResultStore, StatusTracker, task
from alsek.core.backoff import ConstantBackoff
from alsek.storage.backends.sqlite import SQLiteBackend

backend = SQLiteBackend("rolling.db")
broker = Broker(backend)
results, statuses = ResultStore(backend), StatusTracker(backend)
stored = {"result_store": results, "status_tracker": statuses}
SOON = ConstantBackoff(50, floor=1)


def note(message):
    with Path("runs.txt").open("a") as file:
        file.write(message.uuid + "\\n")


@task(broker, **stored)
def add(a, b, message: Message):
    note(message)
    return a + b


@task(broker, **stored)
def double(message: Message):
    note(message)
    return message.previous_result * 2


@task(broker, backoff=SOON, **stored)
def second_time(message: Message):
    note(message)
    if message.retries == 0:
        raise ValueError("not yet")
    return message.retries


@task(broker, max_retries=0, **stored)
def never(message: Message):
    raise ValueError("never")


@task(broker, **stored)
def slow(n, message: Message):
    note(message)
    time.sleep(0.1)
    return n
"""

PRODUCER = """
import json
from tasks import *

sums = [add.generate(kwargs={"a": n, "b": 1}) for n in range(20)]
late = add.generate(kwargs={"a": 1, "b": 1}, delay=300)
last = double.defer().generate()
first = add.generate(kwargs={"a": 20, "b": 1}, callback=last)
again = second_time.generate()
bad = never.generate()
print(json.dumps({
    "sums": [results.get(each, timeout=60_000) for each in sums],
    "late": results.get(late, timeout=60_000),
    "last": results.get(last, timeout=60_000),
    "again": results.get(again, timeout=60_000),
    "bad": statuses.wait_for(bad, timeout=60_000).name,
    "dead": broker.in_dlq(bad),
    "version": __import__("alsek").__file__,
}))
"""

MANY = "from tasks import *\nfor n in range(60): slow.generate(kwargs={'n': n}, uuid=f'm{n}')"
COLLECT = """
import json
from tasks import *
print(json.dumps([results.get(f"m{n}", timeout=60_000) for n in range(60)]))
"""


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[RollingDeploy]:
    """Both versions, with the tasks, on a file that the old one has made."""
    (tmp_path / "tasks.py").write_text(TASKS)
    with RollingDeploy(tmp_path, OLD) as deploy:
        deploy.python(OLD, "-c", "from tasks import *; backend.ping()")
        yield deploy


@pytest.mark.parametrize(("workers", "producer"), [(OLD, "new"), ("new", OLD)])
def test_producers_of_one_version_have_workers_of_the_other(
    deploy: RollingDeploy, workers: str, producer: str
) -> None:
    """Results, delays, callbacks, retries, statuses and dead letters come, whichever version does which part."""
    deploy.pool(workers)
    got = json.loads(deploy.python(producer, "-c", PRODUCER))
    assert ("earlier" in got.pop("version")) == (producer == OLD)
    assert got == {
        "sums": list(range(1, 21)),
        "late": 2,
        "last": 42,
        "again": 1,
        "bad": "FAILED",
        "dead": True,
    }


@pytest.mark.parametrize(("killed", "left"), [(OLD, "new"), ("new", OLD)])
def test_workers_of_one_version_take_over_from_the_other(
    deploy: RollingDeploy, killed: str, left: str
) -> None:
    """Both share the work; when one pool is killed, the other one ends all messages, each with one result."""
    dying = deploy.pool(killed, "--n_threads", "4", "--n_processes", "1", "--lease", "3000")
    deploy.python(left, "-c", MANY)
    runs = deploy.folder / "runs.txt"
    while not runs.exists() or len(runs.read_text().splitlines()) < 4:
        assert dying.poll() is None, deploy.logs()
        time.sleep(0.01)
    deploy.kill(dying)
    deploy.pool(left, "--n_threads", "8", "--lease", "3000")
    assert json.loads(deploy.python("new", "-c", COLLECT)) == list(range(60))
    counted = Counter(runs.read_text().split())
    assert set(counted) == {f"m{n}" for n in range(60)}
    assert sum(counted.values()) <= 60 + 4  # what the killed one ran has run again, and nothing else


def test_the_old_one_refuses_a_file_of_the_new_one(tmp_path: Path) -> None:
    """A file that this version has made is refused with a sentence, so that nothing is lost in it."""
    (tmp_path / "tasks.py").write_text(TASKS)
    with RollingDeploy(tmp_path, OLD) as deploy:
        deploy.python("new", "-c", "from tasks import *; backend.ping()")
        said = deploy.python(
            OLD, "-c", "from tasks import *\ntry:\n    backend.ping()\nexcept Exception as e:\n    print(e)"
        )
    assert "its schema is version 2" in said
