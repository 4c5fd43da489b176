"""Promises that take real processes to keep: shutdown, deaths noticed, growth, locks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsek import Lock
from alsek.exceptions import BackendUnavailableError
from tests.chaos import execution_log as journal
from tests.chaos.conftest import SideBySide
from tests.chaos.environment import Stage
from tests.chaos.exception_text import told
from tests.chaos.lock_holder import NAME, THREADS, TTL_MS, TURNS
from tests.chaos.process_tree import send
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD
from tests.chaos.stores import StoreKind
from tests.chaos.tasks import QUEUE
from tests.chaos.timing_factor import stretched

pytestmark = pytest.mark.deep

_EVERYWHERE = [(store, pool) for store in (SQLITE, REDIS) for pool in (THREAD, PROCESS)]

#: What pools are given beyond what is promised, stretched for a machine that does other things too (s).
_SLACK_S = 1.5

_MANY = 20_000
_MAY_GROW_MB, _MAY_GROW_FDS = 15, 5


def work_of(params: dict[str, Any]) -> Callable[[], str]:
    """What is run side by side for a test: the text says what went wrong."""
    play, store, pool = params["what"]

    def call() -> str:
        stage = Stage(store, pool)
        try:
            play(stage)
        except Exception as error:  # noqa: BLE001 (told by the test that asked for it)
            return f"{told(error)}\n{stage.log}"
        finally:
            stage.close()
        return ""

    return call


def stop_gives_back(stage: Stage) -> None:
    """SIGTERM: what does not finish within the time goes back to its place, and nothing is charged for it."""
    pool = stage.pool("--shutdown_timeout", "1000", n=2)
    stage.hold(8)
    stage.until_begun(2)
    pool.process.terminate()
    assert pool.process.wait(1 + 2 + stretched(_SLACK_S)) == 0
    _all_are_back(stage)


def second_signal(stage: Stage) -> None:
    """The second signal ends it at once, whatever time there would be."""
    pool = stage.pool("--shutdown_timeout", "60000", n=2)
    stage.hold(8)
    stage.until_begun(2)
    pool.process.terminate()
    time.sleep(1.2)
    assert pool.alive, "it did not wait for what runs"
    begun = time.monotonic()
    while pool.alive:  # one that is handled together with the first does not count
        assert time.monotonic() - begun < 2 + stretched(_SLACK_S)
        pool.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            pool.process.wait(1.2)
    assert pool.process.returncode == 0
    _all_are_back(stage)


def stop_while_the_server_is_away(stage: Stage) -> None:
    """A pool ends in time, with exit code 0, also if it can't give back; its lease does that."""
    _stop_without_a_server(stage, stage.redis.shutdown, lambda: stage.redis.server.start())


def stop_while_the_server_hangs(stage: Stage) -> None:
    """The same if the server takes connections and does not answer."""
    _stop_without_a_server(stage, lambda: stage.redis.server.pause(), lambda: stage.redis.server.resume())


def _stop_without_a_server(
    stage: Stage, take_away: Callable[[], object], bring_back: Callable[[], object]
) -> None:
    pool = stage.pool("--shutdown_timeout", "1000", n=2)
    stage.hold(4)
    stage.until_begun(2)
    take_away()
    pool.process.terminate()
    try:
        assert pool.process.wait(1 + 2 + stretched(_SLACK_S)) == 0
    finally:
        bring_back()
    stage.release()
    stage.pool(n=2)
    stage.settle(20)
    assert not stage.verdict().lost


def storm_of_signals(stage: Stage) -> None:
    """Signals that go on till the very end don't spoil the exit code."""
    for _ in range(2):
        pool = stage.pool(n=2)
        stage.work(4, 10)
        stage.settle(20)
        deadline = time.monotonic() + stretched(10)
        while pool.alive:
            assert time.monotonic() < deadline
            pool.process.terminate()
            time.sleep(0.002)
        assert pool.process.returncode == 0


def _all_are_back(stage: Stage) -> None:
    port = stage.play.broker.backend.messages
    stored = {message.uuid: message for message in port.browse(QUEUE)}
    assert stored.keys() == stage.submitted.keys()
    assert {(message.state, message.losses) for message in stored.values()} == {("ready", 0)}
    stage.release()
    begun = [line.uuid for line in stage.lines() if line.what == "begun"]
    stage.pool("--n_processes", "1", kind=THREAD, n=1)
    stage.settle(20)
    lines = [line.uuid for line in stage.lines() if line.what == "begun"][len(begun) :]
    assert lines == list(stage.submitted), "what was given back has lost its place"


def death_is_noticed(stage: Stage) -> None:
    """A child that dies is noticed by its supervisor long before the lease ends: its message runs again."""
    stage.pool(n=2, lease=30.0)
    stage.hold(2)
    stage.until_begun(2)
    killed = time.monotonic()
    send(stage.lines()[0].pid)
    # A thread pool runs suspects one at a time: the second runs once the first is done.
    stage.until_begun(3, 10)
    noticed = stage.lines()[2].at - killed
    stage.release()
    stage.settle(20)
    assert noticed < 1.0 + stretched(_SLACK_S), f"a death was noticed after {noticed:.1f} s"


def no_growth(stage: Stage) -> None:
    """Twenty thousand tasks leave a pool as large as it was, with as many descriptors and connections."""
    options = ("--tasks_per_process", "500") if stage.pool_kind == PROCESS else ("--n_processes", "1")
    pool = stage.pool(*options, n=4)
    _drain(stage, 2_000)
    before, connections = _sizes(pool.tree()), _connections(stage)
    _drain(stage, _MANY)
    after = _sizes(pool.tree())
    assert pool.process.pid in after
    for pid in before.keys() & after.keys():
        memory, descriptors = (now - then for now, then in zip(after[pid], before[pid], strict=True))
        assert memory <= _MAY_GROW_MB, f"process {pid} grew by {memory:.1f} MB"
        assert descriptors <= _MAY_GROW_FDS, f"process {pid} opened {descriptors} file descriptors"
    assert _connections(stage) <= connections + 1


def _drain(stage: Stage, n: int) -> None:
    stage.play.broker.submit_many(stage.play.nothing.generate(submit=False) for _ in range(n))
    deadline = time.monotonic() + stretched(90)
    while stage.play.broker.backend.messages.count(QUEUE):
        assert time.monotonic() < deadline, "20,000 tasks of nothing do not end"
        time.sleep(0.05)


def _sizes(pids: list[int]) -> dict[int, tuple[float, float]]:
    """Resident memory (MB) and open descriptors of each process."""
    sizes = {}
    for pid in pids:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        except OSError:
            continue  # it has ended meanwhile
        sizes[pid] = (pages * os.sysconf("SC_PAGE_SIZE") / 2**20, float(descriptors))
    return sizes


def _connections(stage: Stage) -> int:
    if stage.store.kind != REDIS:
        return 0
    client = stage.redis.client()
    try:
        return len(client.client_list())
    finally:
        client.close()


def lock_outlives_its_holder(stage: Stage) -> None:
    """A holder that was killed is replaced once its ttl is over, and the next fence is higher."""
    holder = _holding(stage, "hold")
    deadline = time.monotonic() + stretched(15)
    while not (stage.folder / "held").exists():
        assert time.monotonic() < deadline, "nobody took the lock"
        time.sleep(0.01)
    first = stage.play.broker.backend.locks.holder(NAME)
    assert first is not None
    holder.kill()
    holder.wait(60)
    with Lock(NAME, backend=stage.play.broker.backend, ttl=TTL_MS) as lock:
        killed = time.monotonic()
        assert not lock.acquire(), "a lock was taken from a holder whose ttl is not over"
        assert stage.play.broker.backend.locks.holder(NAME) == first, "a loser freed another's lock"
        assert lock.acquire(wait=TTL_MS + 10_000)
        assert time.monotonic() - killed < TTL_MS / 1000 + 1.0 + stretched(_SLACK_S)
        assert lock.fence is not None
        assert lock.fence > first.fence


def lock_excludes(stage: Stage) -> None:
    """Threads of several processes never hold it at once, and fences grow with each acquisition."""
    (stage.folder / "number").write_text("0")
    counting = [_holding(stage, "count") for _ in range(3)]
    assert [process.wait(stretched(60)) for process in counting] == [0, 0, 0]
    turns = 3 * THREADS * TURNS
    assert int((stage.folder / "number").read_text()) == turns
    fences = [int(line) for line in (stage.folder / "fences").read_text().split()]
    assert fences == sorted(set(fences))
    assert len(fences) == turns


def _holding(stage: Stage, what: str) -> subprocess.Popen[bytes]:
    settings = {**stage.store.settings, "journal": str(stage.journal), "folder": str(stage.folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.lock_holder", what, str(stage.folder)],
        env={**os.environ, "ALSEK_CHAOS": json.dumps(settings)},
    )


def _patiently(call: Callable[[], object]) -> None:
    """Call until the store answers: the next hog may have caught its process with the file's lock in hand."""
    deadline = time.monotonic() + stretched(40)
    while True:
        try:
            call()
        except BackendUnavailableError:
            assert time.monotonic() < deadline
        else:
            return


def hog_costs_its_process(stage: Stage) -> None:
    """A task that never lets go of the interpreter costs its process soon after the timeout; the pool goes on."""
    stage.pool("--n_processes", "1", n=2)
    hog = stage.play.hog.generate(args=(60_000,), timeout_override=1_000, submit=False)
    stage.submit(hog, mortal=True)
    stage.until_begun(1)
    begun = time.monotonic()
    stage.work(
        3
    )  # one of a coroutine, and one for each thread: the hog, which is run again, waits until one has ended
    while not any(line.what == "ended" for line in stage.lines()):
        # Its timeout, and four seconds; eight more if the machine gives the engine no processor.
        assert time.monotonic() - begun < 1.0 + 6.0 + 8.0 + stretched(_SLACK_S), (
            "the slot was not usable again in time"
        )
        time.sleep(0.02)
    _patiently(lambda: stage.play.broker.revoke(hog))
    ended = journal.runs(stage.lines(), "ended")
    assert hog.uuid not in ended


_PLAYS: list[tuple[Callable[[Stage], None], StoreKind, str]] = [
    *((play, *where) for play in (stop_gives_back, second_signal, death_is_noticed) for where in _EVERYWHERE),
    *(
        (play, store, THREAD)
        for play in (lock_outlives_its_holder, lock_excludes)
        for store in (SQLITE, REDIS)
    ),
    *((stop_while_the_server_is_away, REDIS, pool) for pool in (THREAD, PROCESS)),
    *((stop_while_the_server_hangs, REDIS, pool) for pool in (THREAD, PROCESS)),
    (hog_costs_its_process, SQLITE, THREAD),
    (storm_of_signals, SQLITE, THREAD),
    (storm_of_signals, SQLITE, PROCESS),
]
_GROWING: list[tuple[Callable[[Stage], None], StoreKind, str]] = [
    (no_growth, SQLITE, THREAD),
    (no_growth, REDIS, THREAD),
    (no_growth, REDIS, PROCESS),
]


def _params(plays: list[tuple[Callable[[Stage], None], StoreKind, str]]) -> list[Any]:
    return [pytest.param(each, id=f"{each[0].__name__}-{each[1]}-{each[2]}") for each in plays]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", _params(_PLAYS))
def test_it_is_kept(what: object, side_by_side: SideBySide, request: pytest.FixtureRequest) -> None:
    """What the play's docstring says holds."""
    assert side_by_side.result(request.node.nodeid) == ""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", _params(_GROWING))
def test_nothing_grows(what: object, side_by_side: SideBySide, request: pytest.FixtureRequest) -> None:
    """20,000 tasks add at most 15 MB and 5 file descriptors to a process of a pool, and no connection."""
    assert side_by_side.result(request.node.nodeid) == ""
