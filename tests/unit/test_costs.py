"""What a message costs, in counts and not in seconds: noise can't trip these, a regression does."""

from __future__ import annotations

import re
import select
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.status import StatusTracker
from alsek.core.task import AnyTask, task
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine import engine as engine_module
from alsek.core.worker.engine.engine import Engine
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.process_executor import dispatcher, process_watch
from alsek.core.worker.process_executor.prefetch_limit import MOST_PREFETCHED, PrefetchLimit
from alsek.storage.backends.records import Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client import script_text
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.result import ResultStore
from tests.command_counts import calls_of, counts_first_calls
from tests.statements import trace_statements
from tests.unit.workers.engine_harness import Running
from tests.unit.workers.process_executor_harness import ProcessExecutorHarness

N_MESSAGES = 2_000
N_THREADS = 8


@pytest.fixture
def backend(lone_redis: redis.Redis) -> Iterator[RedisBackend]:
    """A backend on it."""
    made = RedisBackend(lone_redis)
    yield made
    made.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that SQLite is given from now on, on connections that are opened from now on."""
    return trace_statements(monkeypatch)


def _spent(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    spent = {name: calls - before.get(name, 0) for name, calls in after.items()}
    return {
        name: calls for name, calls in spent.items() if calls and name not in {"info", "config|resetstat"}
    }


def _drain(backend: RedisBackend, noop: AnyTask) -> None:
    """An engine with its threads, until the queue is empty."""
    running = Running(backend, noop, size=N_THREADS)  # type: ignore[arg-type]
    running.start()
    while running.alive and running.left:
        select.select([], [], [], 0.05)
    running.stop()
    assert not running.left


@counts_first_calls
def test_under_load_a_message_takes_few_round_trips(lone_redis: redis.Redis, backend: RedisBackend) -> None:
    """With eight threads a worker sends at most 0.4 script calls a message: what has finished travels together."""

    @task(Broker(backend))
    def noop() -> None:
        pass

    noop.broker.submit_many([noop.generate(submit=False) for _ in range(N_MESSAGES)])
    before = calls_of(lone_redis)
    _drain(backend, noop)
    spent = _spent(before, calls_of(lone_redis))
    assert spent["evalsha"] <= 0.4 * N_MESSAGES, spent
    sent = {name: calls for name, calls in spent.items() if name in {"eval", "evalsha", "blpop"}}
    assert sum(sent.values()) <= 0.4 * N_MESSAGES + 20, spent
    # What the scripts call: 28 commands were counted for a full step.
    inside = sum(spent.values()) - sum(sent.values())
    assert inside <= 30 * (spent["evalsha"] + 2), spent


def test_reused_processes_take_few_round_trips(
    lone_redis: redis.Redis, backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that serve many short tasks each: at most 0.2 script calls a message, since some are prefetched.

    How short tasks are is not measured here: on a busy machine none is.
    """

    @task(Broker(backend))
    def noop() -> None:
        pass

    monkeypatch.setattr(PrefetchLimit, "record", lambda *_: None)
    monkeypatch.setattr(dispatcher, "BUSY_AFTER_MS", 60_000)
    monkeypatch.setattr(process_watch, "TAKE_BACK_AFTER_MS", 60_000)
    noop.broker.submit_many([noop.generate(submit=False) for _ in range(N_MESSAGES)])
    harness = ProcessExecutorHarness(noop.broker, noop, size=2, tasks_per_process=N_MESSAGES)
    try:
        harness.executor.dispatcher.prefetch.limit = MOST_PREFETCHED
        session = WorkerSession(backend, Worker("", "process", None, 15_000, 0, "freely"))
        session.register()
        harness.state.set_worker(session.worker.id)
        harness.state.max_claims = 2 * (1 + MOST_PREFETCHED)
        control = WakeupPipe()
        engine = Engine(session, harness.executor, harness.state, EngineOptions(), control, lambda: None)
        before = calls_of(lone_redis)
        ended = threading.Thread(target=engine.run)
        ended.start()
        while ended.is_alive() and backend.count("queues:alsek_queue"):
            select.select([], [], [], 0.05)
        spent = _spent(before, calls_of(lone_redis))
        engine.drain()
        control.notify()
        ended.join()
        control.close()
    finally:
        harness.close()
    assert backend.count("queues:alsek_queue") == 0
    assert spent["evalsha"] <= 0.2 * N_MESSAGES, spent


def test_a_full_step_calls_few_commands(lone_redis: redis.Redis, backend: RedisBackend) -> None:
    """Finishing eight messages and claiming eight takes a bounded number of commands within the script."""
    messages, worker = backend.messages, _worker()
    messages.register(worker)
    messages.add([_submission() for _ in range(400)], "fill")
    held: list[Succeeded] = []
    seq = 0

    def step() -> None:
        nonlocal held, seq
        seq += 1
        claimed = messages.step(worker, seq, held, {worker.kind: N_THREADS}).claimed
        held = [Succeeded(each.uuid, each.queue, each.token) for each in claimed]
        assert len(held) == N_THREADS

    step()
    before = calls_of(lone_redis)
    for _ in range(40):
        step()
    spent = _spent(before, calls_of(lone_redis))
    assert spent["evalsha"] == 40
    assert sum(spent.values()) - 40 <= 40 * 29, spent


@counts_first_calls
@pytest.mark.parametrize("queues", [None, ("math_ops",)], ids=["all", "named"])
def test_a_step_that_finds_nothing_calls_few_commands(
    lone_redis: redis.Redis, backend: RedisBackend, queues: tuple[str, ...] | None
) -> None:
    """An idle worker's step calls a bounded number of commands, before a sleep too, when it also notes a sleeper."""
    messages, worker = backend.messages, _worker()._replace(queues=queues)
    messages.register(worker)
    messages.step(worker, 1, [], {worker.kind: N_THREADS})
    before = calls_of(lone_redis)
    messages.step(worker, 2, [], {worker.kind: N_THREADS})
    awake = calls_of(lone_redis)
    messages.step(worker, 3, [], {worker.kind: N_THREADS}, sleeps=True)
    asleep = calls_of(lone_redis)
    # Once a second a step notes that it was there: one command more. The call of the script itself is among them.
    assert sum(_spent(before, awake).values()) <= 12, _spent(before, awake)
    assert sum(_spent(awake, asleep).values()) <= 14, _spent(awake, asleep)


@pytest.mark.parametrize("queues", [None, ("math_ops",)], ids=["all", "named"])
def test_plain_calls_make_no_rare_functions(
    lone_redis: redis.Redis, queues: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To submit, claim, finish and find nothing needs no function for rare cases: those cost a third more."""
    monkeypatch.setattr(script_text, "_seldom", lambda *_: "function rarely() error('ALSEK rare') end\n")
    script_text.load.cache_clear()
    try:
        backend = RedisBackend(lone_redis)
        messages, worker = backend.messages, _worker()._replace(queues=queues)
        messages.register(worker)
        messages.step(worker, 1, [], {worker.kind: 1})
        messages.add([_submission()], "one")
        messages.add([_submission(status_ttl=60_000) for _ in range(3)], "more")
        claimed = messages.step(worker, 2, [], {worker.kind: 1}).claimed
        held = [Succeeded(each.uuid, each.queue, each.token, b"1", 60_000) for each in claimed]
        claimed = messages.step(worker, 3, held, {worker.kind: 8}).claimed
        assert len(claimed) == 3
        held = [Succeeded(each.uuid, each.queue, each.token) for each in claimed]
        assert messages.step(worker, 4, held, {worker.kind: 8}, sleeps=True).sleeper
        assert messages.step(worker, 5, [], {worker.kind: 8}, sleeps=True, received=0).sleeper
        backend.close()
    finally:
        script_text.load.cache_clear()


@counts_first_calls
@pytest.mark.parametrize(("many", "most"), [(1, 14), (200, 210)])
def test_a_submission_calls_few_commands(
    lone_redis: redis.Redis, backend: RedisBackend, many: int, most: int
) -> None:
    """One message, or two hundred in bulk, is one script call, with a bounded number of commands in it."""
    backend.messages.add([_submission()], "first")
    before = calls_of(lone_redis)
    backend.messages.add([_submission() for _ in range(many)], "second")
    spent = _spent(before, calls_of(lone_redis))
    assert spent.pop("evalsha") == 1
    assert sum(spent.values()) <= most, spent


@counts_first_calls
def test_many_at_once_take_a_step_for_two_hundred(lone_redis: redis.Redis, backend: RedisBackend) -> None:
    """A thousand messages of one task are five script calls, and nothing else is sent for them."""
    noop = _make_tracked(backend)
    noop.generate()
    before = calls_of(lone_redis)
    assert len(noop.generate_many(() for _ in range(1_000))) == 1_000
    spent = _spent(before, calls_of(lone_redis))
    assert spent["evalsha"] == 5
    assert "evalsha_ro" not in spent
    # Inside of the scripts, besides some for each call: SUBMITTED is written and published for each message.
    assert spent["set"] == spent["publish"] == 1_000
    assert sum(spent.values()) <= 2_000 + 5 * 13, spent


def test_many_at_once_take_a_transaction_for_two_hundred(tmp_path: Path, statements: list[str]) -> None:
    """On SQLite a thousand messages are five transactions."""
    backend = SQLiteBackend(tmp_path / "alsek.db")

    @task(Broker(backend))
    def noop() -> None:
        pass

    noop.generate()
    statements.clear()
    noop.generate_many([()] * 1_000)
    backend.close()
    assert statements.count("BEGIN IMMEDIATE") == statements.count("COMMIT") == 5


@counts_first_calls
def test_an_added_status_and_result_cost_a_command_each(
    lone_redis: redis.Redis, backend: RedisBackend
) -> None:
    """A tracked message with a result has no round trip of its own for either."""
    noop = _make_tracked(backend)
    noop.broker.submit_many([noop.generate(submit=False) for _ in range(400)])
    before = calls_of(lone_redis)
    _drain(backend, noop)
    spent = _spent(before, calls_of(lone_redis))
    assert spent["evalsha"] <= 0.4 * 400 + 20, spent
    # What was claimed ahead and given back, since the machine made a task wait, has two statuses more.
    given_back = int(lone_redis.hget("alsek:counters", "token") or 0) - 400
    assert given_back >= 0
    assert spent["set"] <= 3 * 400 + 2 * given_back, spent  # RUNNING, SUCCEEDED, the result
    assert spent["publish"] <= 3 * 400 + 2 * given_back, spent


def _make_tracked(backend: RedisBackend) -> AnyTask:
    @task(Broker(backend), result_store=ResultStore(backend), status_tracker=StatusTracker(backend))
    def noop() -> int:
        return 1

    return noop


def test_a_waiting_message_is_small(lone_redis: redis.Redis, backend: RedisBackend) -> None:
    """A small untracked message takes at most 450 bytes of Redis's memory while it waits."""

    @task(Broker(backend))
    def noop(number: int) -> None:
        pass

    noop.broker.submit_many([noop.generate(args=(0,), submit=False)])
    n = 20_000
    before = int(lone_redis.info("memory")["used_memory"])
    noop.broker.submit_many([noop.generate(args=(i,), submit=False) for i in range(n)])
    assert int(lone_redis.info("memory")["used_memory"]) - before <= 450 * n


def test_nothing_is_left_of_finished_messages(lone_redis: redis.Redis, backend: RedisBackend) -> None:
    """Once all are done, what stays in Redis is what is remembered of each against a repetition, and expires."""

    @task(Broker(backend))
    def noop() -> None:
        pass

    noop.broker.submit_many([noop.generate(submit=False) for _ in range(200)])
    _drain(backend, noop)
    named = {key.decode() for key in lone_redis.scan_iter()}
    lasting = {key for key in named if lone_redis.pttl(key) == -1}
    assert not {key for key in lasting if re.search(r":(messages|ready|delayed|queues)", key)}, lasting
    assert len(named) <= 12, named


class _Hours:
    """Time that passes only while an engine sleeps, so that a minute takes no time."""

    def __init__(self, run_out: Callable[[], None], until_ms: int) -> None:
        self.now = 1_000_000
        self._end = self.now + until_ms
        self._run_out = run_out

    def monotonic_ms(self) -> int:
        """The engine's clock."""
        return self.now

    def poll(self) -> _Hours:
        """As ``select.poll``: itself."""
        return self

    def register(self, descriptor: int, events: int) -> None:
        """What is listened to: nothing ever comes."""
        del descriptor, events

    def unregister(self, descriptor: int) -> None:
        """As `register`."""
        del descriptor

    def sleep(self, timeout: int | None) -> list[tuple[int, int]]:
        """As ``poll.poll``: over at once, without an event."""
        assert timeout is not None, "an idle engine always has something to look after"
        self.now += max(1, timeout)
        if self.now >= self._end:
            self._run_out()
        return []


def test_an_idle_worker_sends_less_than_two_commands_a_second(
    lone_redis: redis.Redis, backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an idle minute, its supervisor's renewals and its waiter's BLPOP included, it sends under 120 commands."""

    @task(Broker(backend))
    def noop() -> None:
        pass

    running = Running(backend, noop, size=N_THREADS)  # type: ignore[arg-type]
    hours = _Hours(running.engine.drain, 60_000)
    methods = {"register": hours.register, "unregister": hours.unregister, "poll": hours.sleep}
    poll = type("Poll", (), {name: staticmethod(method) for name, method in methods.items()})
    monkeypatch.setattr(running.engine._sleeper, "_make_poll", poll)
    monkeypatch.setattr(running.engine._sleeper, "_clock", hours.monotonic_ms)
    monkeypatch.setattr(engine_module, "monotonic_ms", hours.monotonic_ms)
    before = calls_of(lone_redis)
    running.start()
    running.ended()
    spent = _spent(before, calls_of(lone_redis))
    sent = sum(spent.get(name, 0) for name in ("eval", "evalsha", "blpop", "ping"))
    interval = backend.messages.waiter(running.session.worker).interval
    waits, renewals = (
        60_000 / interval,
        60_000 / (15_000 / 3),
    )  # each BLPOP that times out; each third of a lease
    assert 0 < sent + waits + renewals < 120, spent


def test_a_message_on_an_idle_worker_wakes_one_thread(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, at most a half wake the engine's thread: a task's thread hears of them, and reports them."""

    @task(Broker(backend))
    def noop() -> None:
        pass

    monkeypatch.setattr("alsek.core.worker.engine.sleep.LONGEST_SLEEP_MS", 600_000)
    monkeypatch.setattr("alsek.core.worker.engine.claim_policy.LOOK_EVERY_MS", 600_000)
    running = Running(backend, noop, size=N_THREADS)  # type: ignore[arg-type]
    running.start()
    for _ in range(60):
        while not (running.session.is_sleeper and running.left == 0):
            select.select([], [], [], 0.002)
        noop.generate()
    running.stop()
    assert running.engine.sleeps <= 30


def _worker() -> Worker:
    return Worker(uuid.uuid4().hex, "thread", None, 15_000, 0)


def _submission(**changes: Any) -> Submission:
    return Submission(str(uuid.uuid4()), "math_ops", b'{"task_name": "noop"}', **changes)


def test_sqlite_never_scans_what_waits(tmp_path: Path, statements: list[str]) -> None:
    """What is run to submit, claim, finish or count finds its rows by key: no table of messages is read through."""
    path = tmp_path / "alsek.db"
    backend = SQLiteBackend(path)
    messages, worker = backend.messages, _worker()
    messages.register(worker)
    messages.add([_submission(status_ttl=60_000) for _ in range(40)], "ready")
    messages.add([_submission(delay=60_000)], "delayed")
    held: list[Any] = []
    for seq in range(1, 5):
        claimed = messages.step(worker, seq, held, {worker.kind: N_THREADS}).claimed
        held = [Succeeded(each.uuid, each.queue, each.token, b"1", 60_000) for each in claimed]
    assert messages.count("math_ops") > 0
    backend.close()
    hot = {text for text in statements if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", text)}
    assert len(hot) > 10, statements
    with sqlite3.connect(path) as looking:
        for statement in hot:
            for *_, detail in looking.execute(f"EXPLAIN QUERY PLAN {statement}"):
                assert not re.match(r"SCAN (messages|ready|delayed|claims)\b", detail), (statement, detail)
    looking.close()
