"""Users with the smallest documented rights, on a cluster, in a namespace with partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek import Broker, ResultStore, StatusTracker, task
from alsek.exceptions import BackendError
from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import redis_version
from tests.integration.conftest import HEADER, Project

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.deep]

_PARTITIONS = 6

#: What workers need to wait on one connection to each node, and what producers need to wake them.
_TELLING = {"worker": ["+spublish", "+ssubscribe"], "producer": ["+spublish"], "reader": []}

_BACKEND = """from alsek.storage.backends.redis import RedisBackend
backend = RedisBackend({url!r}, namespace={namespace!r}, partitions={partitions})"""

_TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker, max_retries=0)
def double(n: int) -> int:
    if n < 0:
        raise ValueError(n)
    return 2 * n
"""


def _rules(role: str, namespace: str) -> list[str]:
    """What docs/cluster.md gives for a role, for a cluster with partitions."""
    text = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    line = re.search(rf"^{role} +~alsek:\* resetchannels &alsek:\* (.*)$", text, re.MULTILINE)
    assert line is not None
    keys = [f"{{{namespace}}}:*", f"{{{namespace}%p*}}:*"]
    spoken = "with partitions also `~{alsek%p*}:*` and `&{alsek%p*}:*`"
    assert spoken in text
    assert "add `+cluster|slots +command`" in text
    assert "a producer also needs `+spublish`, and a worker `+spublish +ssubscribe`" in text
    return [
        *(f"~{key}" for key in keys),
        "resetchannels",
        *(f"&{key}" for key in keys),
        *line[1].split(),
        "+cluster|slots",
        "+command",
        *_TELLING[role],
    ]


@pytest.fixture
def namespace(redis_cluster: ClusterOfServers) -> Iterator[str]:
    """A namespace with partitions, which is cleared in the end."""
    name = f"it{uuid4().hex[:12]}"
    yield name
    backend = RedisBackend(redis_cluster.client(), namespace=name, partitions=None)
    backend.clear_namespace()
    backend.close()


@pytest.fixture
def url_of(redis_cluster: ClusterOfServers, namespace: str) -> Iterator[Callable[..., str]]:
    """The url with which a user of this role, and less these rights, connects; all nodes know the user."""
    admins = [redis.Redis.from_url(server.url) for server in redis_cluster.servers]
    made: list[str] = []

    def make(role: str, *less: str) -> str:
        name = "-".join((role, namespace, *less))
        made.append(name)
        for admin in admins:
            admin.execute_command(
                "ACL", "SETUSER", name, "reset", "on", ">pw", *_rules(role, namespace), *less
            )
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in redis_cluster.servers[:3])
        return f"redis+cluster://{name}:pw@{hosts}"

    yield make
    for admin in admins:
        admin.execute_command("ACL", "DELUSER", *made)
        admin.close()


def _double(n: int) -> int:
    return 2 * n


@pytest.mark.skipif(redis_version() < (7,), reason="the rules are for Redis 7")
def test_each_role_does_its_part(namespace: str, url_of: Callable[..., str], tmp_path: Path) -> None:
    """A pool runs what a producer submits, a reader looks, none of them may do more, and `alsek check` knows all."""
    urls = {role: url_of(role) for role in ("worker", "producer", "reader")}

    def opened(role: str, partitions: int | None = _PARTITIONS) -> RedisBackend:
        return RedisBackend(urls[role], namespace=namespace, timeout=10_000, partitions=partitions)

    producer = opened("producer")
    broker = Broker(producer)
    results, statuses = ResultStore(producer), StatusTracker(producer)
    double: Any = task(broker, result_store=results, status_tracker=statuses, name="double")(_double)
    header = HEADER.format(
        backend=_BACKEND.format(url=urls["worker"], namespace=namespace, partitions=_PARTITIONS)
    )
    project = Project(tmp_path, "cluster", header)
    try:
        project.write(_TASKS)
        submitted = [double.generate(args=(n,)) for n in range(30)]
        chain = double.generate(args=(4,), callback=double.generate(args=(5,), submit=False))
        dead = double.generate(args=(-1,))
        worker = project.worker()
        for n, message in enumerate(submitted):
            assert results.get(message, timeout=60_000) == 2 * n
        assert results.get(chain, timeout=60_000) == 8
        reader = opened("reader", None)
        assert {each.queue for each in reader.messages.tallies()} >= {dead.queue}
        assert statuses.wait_for(dead, timeout=60_000).name == "FAILED"
        assert reader.messages.dead_letter(dead.queue, dead.uuid) is not None
        assert reader.messages.workers()
        for role, may in (
            ("worker", "may do all that a worker does"),
            ("producer", "may look and submit; to do all that a worker does it lacks"),
            ("reader", "may look; to look and submit it lacks"),
        ):
            said = project.run("check", "--store", urls[role], "--namespace", namespace)
            assert said.returncode == 0, said.stdout + said.stderr
            assert f"This user {may}" in said.stdout, said.stdout
            assert (
                f"The namespace has {_PARTITIONS} partitions; a waiting worker has a connection to"
                in said.stdout
            )
            shown = project.run("status", "--store", urls[role], "--namespace", namespace)
            assert shown.returncode == 0, shown.stderr
        with pytest.raises(BackendError, match=r"lacks|may not"):
            Broker(reader).submit(double.generate(args=(1,), submit=False))
        assert "a connection for each partition" not in worker.log
        assert worker.stop() == 0, worker.log
        for role, lacking in (("producer", ["-spublish"]), ("worker", ["-spublish", "-ssubscribe"])):
            said = project.run("check", "--store", url_of(role, *lacking), "--namespace", namespace)
            names = " ".join(right.replace("-", "+") for right in lacking)
            assert f"{_PARTITIONS} partitions; without {names} and the channels" in said.stdout, said.stdout
        reader.close()
    finally:
        producer.close()
        project.close()
