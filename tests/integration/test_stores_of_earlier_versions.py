"""Stores that earlier versions left are read, and worked off, by this one."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from alsek import Broker, Consumer, Inspector, ResultStore, StatusTracker, TaskFailedError, TaskStatus
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend

FIXTURES = Path(__file__).parents[1] / "fixtures"


def _restore(client: Any, file: Path, prefix: str) -> None:
    """Write the keys of a file of `tests/fixtures/make.py`, under another namespace."""
    for name, (kind, content) in json.loads(file.read_text()).items():
        key = prefix + name.removeprefix("alsek")
        if kind == "string":
            client.set(key, b64decode(content))
        elif kind == "hash":
            client.hset(key, mapping={b64decode(field): b64decode(value) for field, value in content})
        elif kind == "zset":
            client.zadd(key, {b64decode(member): score for member, score in content})
        elif kind == "set":
            client.sadd(key, *map(b64decode, content))
        else:
            client.rpush(key, *map(b64decode, content))


@pytest.fixture(
    params=[
        pytest.param((version.name, store), id=f"{version.name}-{store}", marks=marks)
        for version in sorted(path for path in FIXTURES.iterdir() if path.name[0].isdigit())
        for store, marks in (("sqlite", ()), ("redis", (pytest.mark.redis,)))
    ]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A copy of what a version has left."""
    version, store = request.param
    if store == "sqlite":
        shutil.copy(FIXTURES / version / "alsek.db", tmp_path)
        database = SQLiteBackend(tmp_path / "alsek.db")
        yield database
        database.close()
        return
    url: str = request.getfixturevalue("redis_url")
    client: Any = Redis.from_url(url)
    namespace = f"left-by-{version}"
    _restore(client, FIXTURES / version / "redis.json", namespace)
    client.close()
    backend = RedisBackend(url, namespace=namespace)
    yield backend
    backend.clear_namespace()
    backend.close()


def test_everything_is_found(backend: Backend) -> None:
    """Messages in each state, with all that was said of them; dead letters, results, statuses and values."""
    broker, inspector = Broker(backend), Inspector(backend)
    ready = broker.sync_from_backend("ready")
    assert (ready.args, ready.kwargs, ready.priority, ready.timeout) == ((1,), {"b": 2}, 3, 5_000)
    assert (ready.task_name, ready.queue, ready.metadata) == ("add", "q", {"who": "é"})
    assert broker.sync_from_backend("delayed").args == (1.5, [None, {"k": "v"}])
    assert inspector.why("delayed").code == "delayed"
    assert broker.sync_from_backend("process").mechanism_wish == "process"
    assert broker.sync_from_backend("parent").descendant_uuids == ["child", "grandchild"]
    retried = broker.sync_from_backend("retried")
    assert retried.retries == 1
    assert broker.is_revoked("revoked")
    assert inspector.why("revoked").code == "revoked"
    (letter,) = broker.dead_letters("q")
    assert letter.uuid == "dead"
    assert letter.exception_details is not None
    assert letter.exception_details["name"].endswith("KeyError")
    results, statuses = ResultStore(backend), StatusTracker(backend)
    assert results.get("done", keep=True) == {"sum": 3}
    assert statuses.get("done") is TaskStatus.SUCCEEDED
    assert statuses.get_details("done") == {"progress": 1.0}
    assert statuses.get("ready") is TaskStatus.SUBMITTED
    assert backend.get("setting") == [1, "two"]
    with pytest.raises(TaskFailedError, match="KeyError"):
        results.get("dead", timeout=1_000)
    (info,) = inspector.queues()
    assert (info.name, info.delayed + info.ready, info.dead, info.running) == ("q", 6, 1, 0)


def test_it_is_worked_off(backend: Backend) -> None:
    """A worker of this version claims what is ready and due; a dead letter is replayed, and what was revoked fails."""
    broker = Broker(backend)
    broker.replay("dead")
    seen = []
    with Consumer(broker, "q") as consumer:
        for message in consumer.stream():
            seen.append(message.uuid)
            broker.ack(message)
            if len(seen) == 5:
                break
    assert seen[-1] == "ready"  # its priority is the lowest
    assert sorted(seen) == ["dead", "parent", "process", "ready", "retried"]
    assert broker.in_dlq("revoked")
    assert not broker.exists("parent")
