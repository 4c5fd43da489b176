"""``alsek move`` in processes of their own, which are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from alsek.core.moving import move as moving
from alsek.core.moving.move import Move
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.records import FOR_EVER, Report, Submission, TaskStatus, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.slow]

MANY = 20_000
QUEUES = ("a", "b", "c")


class Place:
    """A store by its address, and how many partitions it is to have."""

    def __init__(self, address: str, namespace: str, partitions: int = 1) -> None:
        self.address = address
        self.namespace = namespace
        self.partitions = partitions

    def open(self) -> Backend:
        """Return a backend on it."""
        if self.address.startswith("redis:"):
            return RedisBackend(self.address, namespace=self.namespace, partitions=self.partitions)
        return SQLiteBackend(self.address, namespace=self.namespace)


@pytest.fixture
def sqlite(tmp_path: Path) -> Callable[[], Place]:
    """Makes places of new files."""
    return lambda: Place(str(tmp_path / f"{uuid4().hex}.db"), "files")


@pytest.fixture
def redis(redis_url: str) -> Iterator[Callable[..., Place]]:
    """Makes places of new namespaces on a server."""
    made: list[Place] = []

    def make(partitions: int = 1) -> Place:
        made.append(Place(redis_url, f"t{uuid4().hex[:12]}", partitions))
        return made[-1]

    yield make
    for place in made:
        place.open().clear_namespace()


Maker = Callable[[], Place]


def start(source: Place, target: Place, *options: str) -> subprocess.Popen[str]:
    """Start ``alsek move``."""
    command = [sys.executable, "-m", "alsek.cli", "move", "--from", source.address, "--to", target.address]
    command += ["--from-namespace", source.namespace, "--to-namespace", target.namespace, *options]
    if target.partitions > 1:
        command += ["--to-partitions", str(target.partitions)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fill(backend: Backend, many: int) -> None:
    """So many tracked messages in three queues, a twentieth of them delayed; results, values, schedules and so on."""
    for begin in range(0, many, 1_000):
        numbers = range(begin, min(begin + 1_000, many))
        backend.messages.add(
            [
                Submission(
                    f"m{n:05}",
                    QUEUES[n % 3],
                    b"p%d" % n,
                    priority=n % 2,
                    delay=86_400_000 if n % 20 == 0 else 0,
                    status_ttl=FOR_EVER,
                )
                for n in numbers
            ],
            f"r{begin}",
        )
    for n in range(many // 100):
        result = f"{{root}}-{n}"  # in the partition of "root"
        backend.results.put(result, b"%d" % n, progenitor="root")
        backend.statuses.put(result, TaskStatus.SUCCEEDED)
        backend.values.put(f"v{n}", b"%d" % n)
        backend.schedules.put(f"s{n}", b"%d" % n, "r1", None if n % 3 == 0 else 4_000_000_000_000 + n)
        backend.messages.add([Submission(f"d{n}", "dead", b"p")], f"d{n}")
        backend.messages.fail("dead", f"d{n}", b"{}", FOR_EVER)
    worker = Worker(uuid4().hex, "any", QUEUES[:1], 600_000, FOR_EVER)
    backend.messages.register(worker)
    claimed = backend.messages.step(worker, 1, [], {"any": many // 100}).claimed
    reports = [Report(each.uuid, each.queue, each.token, 1, b"p", b"c", (b"1", b"2"), 9) for each in claimed]
    assert backend.messages.report(worker, reports) == []
    backend.messages.retire(worker)  # all of it is given back, to its old place


def found(backend: Backend) -> dict[str, Any]:
    """What there is, and in which order workers would take it."""
    messages = backend.messages
    stored = [one for queue in messages.queues() for one in messages.browse(queue)]
    ready: list[tuple[str, str]] = []
    worker = Worker(uuid4().hex, "any", None, 600_000, FOR_EVER)
    messages.register(worker)
    step = messages.step(worker, 1, [], {"any": 500})
    while step.claimed:
        ready += [(claim.uuid, claim.queue) for claim in step.claimed]
        step = messages.step(worker, 1 + len(ready), [], {"any": 500})
    messages.retire(worker)  # all of it is given back, to its old place
    return {
        "payloads": sorted((one.uuid, one.queue, one.payload) for one in stored),
        "states": Counter(one.state for one in stored),
        "order": {queue: [uuid for uuid, of in ready if of == queue] for queue in QUEUES},
        "letters": [letter.uuid for letter in messages.dead_letters("dead")],
        "results": [(result.uuid, result.payload) for result in backend.results.descendants("root")],
        "statuses": sorted((status.uuid, status.status) for status in backend.statuses.scan()),
        "schedules": backend.schedules.get(),
        "reports": [
            messages.reports(sorted(one.uuid for one in stored)[at : at + 500], lines=True)
            for at in range(0, len(stored), 500)
        ],
        "values": sorted((name, backend.values.get(name)) for name in backend.values.scan("*")),
    }


def is_empty(backend: Backend) -> bool:
    """Whether nothing is left that could be moved."""
    return not any(page.copies for kind in CopyKind for page in backend.transfer.read(kind, 10))


def count(backend: Backend) -> int:
    """How many messages it holds."""
    return sum(backend.messages.count(queue) for queue in QUEUES)


def move_killed_thrice(source: Place, target: Place) -> None:
    """Move, with three kills on the way."""
    arrived = target.open()
    for share in (0.2, 0.45, 0.7):
        process = start(source, target)
        eventually(lambda: count(arrived) > share * MANY or process.poll() is not None, 120)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert count(arrived) < MANY
    process = start(source, target, "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["resumed"]
    assert (report["left"], report["held"]) == ([], 0)
    arrived.close()


@pytest.mark.deep
def test_killed_three_times_all_arrives_once(sqlite: Maker, redis: Maker) -> None:
    """20,000 messages, their statuses, results, dead letters and values: from SQLite to Redis, and back."""
    first, second, third = sqlite(), redis(), sqlite()
    origin = first.open()
    fill(origin, MANY)
    expected = found(origin)
    assert len(expected["payloads"]) == MANY
    for source, target in ((first, second), (second, third)):
        move_killed_thrice(source, target)
        assert is_empty(source.open())
        arrived = found(target.open())
        for what, there in arrived.items():
            assert there == expected[what], what


@pytest.mark.deep
def test_to_another_number_of_partitions(redis: Callable[..., Place]) -> None:
    """20,000 messages and all else from 4 partitions to 6, and to none, with three kills on each way."""
    places = [redis(partitions) for partitions in (4, 6, 1)]
    origin = places[0].open()
    fill(origin, MANY)
    expected = {what: _unordered(there) for what, there in found(origin).items()}
    assert len(expected["payloads"]) == MANY
    for source, target in pairwise(places):
        move_killed_thrice(source, target)
        assert is_empty(source.open())
        for what, there in found(target.open()).items():
            assert _unordered(there) == expected[what], what


def _unordered(there: Any) -> Any:
    """Order holds within each partition only, and so do the numbers of tokens."""
    if isinstance(there, dict) and not isinstance(there, Counter):
        return {name: sorted(each) for name, each in there.items()}
    if isinstance(there, list) and isinstance(there[0], list):
        return [each and each._replace(token=0) for page in there for each in page]
    return sorted(there, key=str) if isinstance(there, list) else there


class _Killer:
    """Ends this process right after the n-th call of a port."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def backend(self, backend: Backend) -> Any:
        """The same store, whose calls are counted."""
        return _Doomed(backend, self)

    def called(self) -> None:
        """Count a call."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _Doomed:
    def __init__(self, of: Any, killer: _Killer) -> None:
        self._of = of
        self._killer = killer

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._of, name)
        if name in ("transfer", "messages"):
            return _Doomed(value, self._killer)
        if not callable(value) or isinstance(self._of, Backend):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            answer = value(*arguments, **options)
            self._killer.called()
            return answer

        return call


def move_killed_after(calls: int, source: Place, target: Place) -> bool:
    """Move in a child that is killed after so many calls; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            killer = _Killer(calls)
            Move(killer.backend(source.open()), killer.backend(target.open())).run()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status)


@pytest.mark.deep
@pytest.mark.parametrize("way", ["sqlite to redis", "redis to sqlite", "redis to redis"])
def test_killed_after_each_single_call(
    way: str, sqlite: Maker, redis: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever call of a store was the last one of the process, the next run moves the rest, each thing once."""
    monkeypatch.setattr(moving, "BATCH", 7)
    monkeypatch.setattr(moving, "LEASE_MS", 20)
    origin, destination = ((redis if part == "redis" else sqlite) for part in way.split(" to "))
    expected: dict[str, Any] | None = None
    calls, ended = 0, False
    while not ended:
        calls += 1
        source, target = origin(), destination()
        backend = source.open()
        fill(backend, 20)
        expected = expected or found(backend)
        backend.close()
        ended = move_killed_after(calls, source, target)
        if not ended:
            report = Move(source.open(), target.open()).run()
            assert report.complete, report
        assert is_empty(source.open()), calls
        assert found(target.open()) == expected, calls
    assert calls > 20
