"""Schedules, while those that fire them die: each tick exactly once."""

from __future__ import annotations

import re
import signal
import time

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.schedules.definition import MissedPolicy
from alsek.core.schedules.template import tick_uuid
from alsek.defaults import MISSED_AFTER
from alsek.storage.backends.records import ScheduleRecord
from tests.chaos.environment import Pool, Stage
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.stores import open_backend
from tests.chaos.timing_factor import stretched

_STEP_MS = 1_000
_POLICIES: tuple[MissedPolicy, ...] = ("latest", "all", "skip")


def _ticks_run(stage: Stage, name: str) -> list[int]:
    """The ticks of a schedule for which a run has begun, in order, each once."""
    ticks = {line.uuid: int(line.source.rpartition("-")[2]) for line in stage.lines() if line.source != "-"}
    return sorted(tick for uuid, tick in ticks.items() if uuid == tick_uuid(name, tick))


def _end(stage: Stage, names: list[str]) -> dict[str, ScheduleRecord]:
    """Let nothing more be fired, and return the schedules as they stand."""
    backend = open_backend(stage.store.direct)
    try:
        for name in names:
            backend.schedules.pause(name, "the judge")
        return {record.name: record for record in backend.schedules.get(names)}
    finally:
        backend.close()


def _lateness(stage: Stage) -> str:
    """How late (ms) the messages of ticks were begun for the first time."""
    to_wall_clock = time.time() - time.monotonic()
    first: dict[str, float] = {}
    for line in stage.lines():
        if line.what == "begun" and line.source != "-":
            tick = int(line.source.rpartition("-")[2])
            first.setdefault(line.uuid, (line.at + to_wall_clock) * 1_000 - tick)
    late = sorted(first.values())
    if not late:
        return "nothing was begun"
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    return f"{len(late)} ticks, begun after p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {late[-1]:.0f} ms"


@scenario(
    "schedules of a second, SIGKILL of groups and of whole pools", short=((SQLITE, THREAD), (REDIS, PROCESS))
)
def schedules(stage: Stage, scale: Scale) -> None:
    """Each tick is submitted exactly once, however many pools try, and die while they do."""
    pools = scale.pick(3, 5)
    stage.keep_alive(n=2, pools=pools)
    first = _put(stage, [f"s{number}" for number in range(scale.pick(8, 20))])
    stage.until_begun(1)
    for number in stage.ticks(scale.seconds, 0.5):
        stage.keep_alive(n=2, pools=pools)
        living = [pool for pool in stage.pools if pool.alive]
        if number % 6 == 5:
            stage.random.choice(living).kill_all()
            stage.hit()
        else:
            stage.kill_one([pid for pool in living for pid in pool.tree()[1:]])
    _expect_each_tick(stage, first, pools)


def _put(stage: Stage, names: list[str]) -> dict[str, int]:
    """Store schedules of a second, and return the first tick of each."""
    first: dict[str, int] = {}
    for name in names:
        made = stage.play.tick.schedule(name, IntervalTrigger(seconds=1), kwargs={"name": name}, missed="all")
        assert made.next_at is not None
        first[name] = made.next_at
    return first


def _expect_each_tick(stage: Stage, first: dict[str, int], pools: int) -> None:
    """Let what is due be fired, and have the judge expect the message of each tick, once."""
    _fire_what_is_due(stage, list(first), pools)
    for name, record in _end(stage, list(first)).items():
        assert record.last_at is not None
        if record.next_at != record.last_at + _STEP_MS:
            stage.problems.append(f"{name} stands at {record.next_at} after {record.last_at}")
        for tick in range(first[name], record.last_at + 1, _STEP_MS):
            stage.expect(tick_uuid(name, tick))
    stage.settle(60, n=2, pools=pools)
    stage.note = _lateness(stage)


def _fire_what_is_due(stage: Stage, names: list[str], pools: int) -> None:
    """Wait until all that is due was fired after the last fault."""
    backend = open_backend(stage.store.direct)
    deadline = time.monotonic() + stretched(30.0)
    try:
        since = backend.messages.now()
        while any((record.last_at or 0) < since for record in backend.schedules.get(names)):
            stage.keep_alive(n=2, pools=pools)
            if time.monotonic() > deadline:
                stage.problems.append("what was due has not been fired after the last fault")
                return
            time.sleep(0.05)
    finally:
        backend.close()


@scenario("schedules while no pool runs for 30 s", short=((SQLITE, PROCESS), (REDIS, THREAD)))
def missed(stage: Stage, scale: Scale) -> None:
    """Of the ticks of that time, the last one is fired, or all, or none, as each schedule says."""
    trigger = CronTrigger(second="*", timezone="UTC")
    for policy in _POLICIES:
        stage.play.tick.schedule(policy, trigger, kwargs={"name": policy}, missed=policy)
    stage.pool()
    for policy in _POLICIES:
        _until_run(stage, policy, 2)
    _stop(stage.pools[-1])
    last = {name: record.last_at for name, record in _read(stage).items()}
    stage.hit()
    time.sleep(scale.pick(MISSED_AFTER / 1_000 + 3, 30))
    stage.pool()
    ran = {policy: len(_ticks_run(stage, policy)) for policy in _POLICIES}
    for policy in _POLICIES:
        _until_run(stage, policy, ran[policy] + 4)
    notes = [_judge(stage, policy, last[policy] or 0) for policy in _POLICIES]
    ended = _end(stage, list(_POLICIES))
    stage.settle(30)  # several ticks may wait to be run
    for policy, record in ended.items():
        for tick in {*_ticks_run(stage, policy), record.last_at or 0}:
            stage.expect(tick_uuid(policy, tick))
    stage.note = ", ".join(notes)


def _judge(stage: Stage, policy: MissedPolicy, last: int) -> str:
    """Compare what was run after a time without pools with what the pool that came then has logged.

    Args:
        stage: The stage.
        policy: Also the name of the schedule.
        last: The last tick that was fired before.

    Returns:
        How many missed ticks were run.
    """
    told = re.search(
        rf"Schedule '{policy}' was due ([\d.]+) s ago, when no pool fired it; of its missed ticks (\d+) were fired",
        stage.pools[-1].log,
    )
    if told is None:
        stage.problems.append(f"{policy}: the pool has not told of missed ticks")
        return policy
    fired_at = last + _STEP_MS + 1_000 * float(told[1])
    after = [tick for tick in _ticks_run(stage, policy) if tick > last]
    # The log is exact to 50 ms, so a tick beside that moment was due by then, or not; and the thread that has told it
    # may have waited for a processor before it fired.
    last_due = {int(fired_at + by) // _STEP_MS * _STEP_MS for by in (-60, 60, 1_000, 2_000, 3_000)}
    late: list[int] = []
    for due in sorted(last_due):
        late = [tick for tick in after if tick <= due]
        missed = list(range(last + _STEP_MS, due + 1, _STEP_MS))
        if late == {"all": missed, "latest": [due], "skip": []}[policy]:
            if int(told[2]) - len(late) not in (0, 1):
                stage.problems.append(f"{policy}: {told[2]} are told of, and {len(late)} were run")
            return f"{policy}: {len(late)} of {len(missed)}"
    stage.problems.append(f"{policy}: of what was missed until {sorted(last_due)} there were run {late}")
    return policy


def _read(stage: Stage) -> dict[str, ScheduleRecord]:
    backend = open_backend(stage.store.direct)
    try:
        return {record.name: record for record in backend.schedules.get()}
    finally:
        backend.close()


def _until_run(stage: Stage, name: str, many: int) -> None:
    deadline = time.monotonic() + stretched(30.0)
    while len(_ticks_run(stage, name)) < many:
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} was not run {many} times:\n{stage.log}")
        time.sleep(0.05)


def _stop(pool: Pool) -> None:
    pool.process.send_signal(signal.SIGTERM)
    pool.process.wait(stretched(20))


@scenario("Redis: schedules of a second while the server is away", stores=(REDIS,), short=((REDIS, THREAD),))
def store_away(stage: Stage, scale: Scale) -> None:
    """The threads that fire outlive it: each tick of that time is submitted once, when the server is back."""
    names = [f"s{number}" for number in range(4)]
    first = _put(stage, names)
    stage.pool(n=2, lease=15.0)
    stage.pool(n=2, lease=15.0)
    stage.until_begun(4)
    for _ in stage.ticks(scale.pick(1, scale.seconds), 8.0):
        stage.redis.shutdown()
        time.sleep(scale.pick(2.0, 4.0))
        stage.redis.server.start()
        stage.hit()
    _expect_each_tick(stage, first, pools=2)
