"""Several processes on one file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.storage.backends.sqlite import SQLiteBackend
from tests.unit.sqlite.fakes import Player, Process, done, kill_after, says, submit, tell

#: It starts many processes.
pytestmark = pytest.mark.slow

Python = Callable[..., Process]

_DRAIN = """
worker = Worker(sys.argv[2], "thread", ("q",), 60_000, 0)
messages.register(worker)
say("ready")
sys.stdin.readline()
seq, outcomes, mine = 0, [], []
while True:
    seq += 1
    step = messages.step(worker, seq, outcomes, {worker.kind: 4})
    assert not step.refused
    if not step.claimed:
        break
    mine += [claimed.uuid for claimed in step.claimed]
    outcomes = [Succeeded(c.uuid, c.queue, c.token, c.payload) for c in step.claimed]
say(*mine)
"""


def test_three_claimers_take_each_message_once(python: Python, backend: SQLiteBackend) -> None:
    """Concurrent claimers in three processes: no message twice, none lost, each with its result."""
    names = [f"m{n}" for n in range(3_000)]
    backend.messages.queues()
    for begin in range(0, len(names), 500):
        submit(backend, *names[begin : begin + 500])
    processes = [python(_DRAIN, f"w{n}") for n in range(3)]
    assert [says(process) for process in processes] == ["ready"] * 3
    for process in processes:
        tell(process)
    shares = [says(process).split() for process in processes]
    assert Counter(uuid for share in shares for uuid in share) == Counter(names)
    assert backend.messages.count("q") == 0
    assert all(backend.results.get(names))


def test_producers_in_several_processes_lose_nothing(python: Python, backend: SQLiteBackend) -> None:
    """Submissions from three processes at once are all there, each process's own in its order."""
    program = """
    for n in range(300):
        assert messages.add([Submission(f"{sys.argv[2]}-{n:03}", "q", b"")], f"{sys.argv[2]}{n}")[0].accepted
    say("done")
    """
    processes = [python(program, f"p{n}") for n in range(3)]
    assert [says(process) for process in processes] == ["done"] * 3
    assert backend.messages.count("q") == 900
    claimed = [claimed.uuid for claimed in Player(backend).step(limit=1_000).claimed]
    for name in ("p0", "p1", "p2"):
        own = [uuid for uuid in claimed if uuid.startswith(name)]
        assert own == [f"{name}-{n:03}" for n in range(300)]


_WRITE_ON = """
worker = Worker("victim", "thread", ("q",), 60_000, 0)
messages.register(worker)
seq, outcomes = 0, []
for n in range(1_000_000):
    messages.add([Submission(f"{n}-{k}", "q", b"x" * 300, status_ttl=-1) for k in range(5)], str(n))
    seq += 1
    step = messages.step(worker, seq, outcomes, {worker.kind: 5})
    outcomes = [Succeeded(c.uuid, c.queue, c.token, b"r") for c in step.claimed]
    if n == 5:
        say("writing")
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011, 0.02])
def test_a_kill_in_the_middle_of_writing(
    python: Python, backend: SQLiteBackend, path: Path, delay: float
) -> None:
    """A process killed while it writes leaves whole steps: batches of five, each message in one place, counts right."""
    process = python(_WRITE_ON)
    assert says(process) == "writing"
    kill_after(process, delay)
    stored = list(backend.messages.browse("q"))
    assert len(stored) == backend.messages.count("q")
    finished = sum(record.status == 5 for record in backend.statuses.scan())
    assert (len(stored) + finished) % 5 == 0
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        query = """SELECT count(*), count(DISTINCT message) FROM (
            SELECT message FROM ready UNION ALL SELECT message FROM delayed UNION ALL SELECT message FROM claims)"""
        assert connection.execute(query).fetchone() == (len(stored), len(stored))
    finally:
        connection.close()
    player = Player(backend)
    step = player.step(limit=10_000)
    assert len(step.claimed) + len(backend.messages.held(Player(backend, "victim").worker)) == len(stored)
    assert player.step(*(done(claimed) for claimed in step.claimed)).refused == []


def test_two_namespaces_of_one_file_never_meet(
    open_backend: Callable[..., SQLiteBackend],
) -> None:
    """What is written in one namespace of a file is not seen in another, and clearing one leaves the other."""
    one, two = open_backend(namespace="one"), open_backend(namespace="two")
    assert submit(one, "a") == submit(two, "a") == [True]
    one.results.put("a", b"1")
    one.statuses.put("a", 1)  # type: ignore[arg-type]
    one.set("name", 1)
    one.locks.acquire("lock", "me", 1_000)
    assert two.results.get(["a"]) == [None]
    assert two.statuses.get(["a"]) == [None]
    assert list(two.scan()) == []
    assert two.locks.holder("lock") is None
    assert [c.queue for c in Player(two, queues=None).step().claimed] == ["q"]
    assert one.clear_namespace() == 5
    assert two.messages.count("q") == 1
    assert one.messages.queues() == []
