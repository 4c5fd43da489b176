"""Schedules, while those that fire them die: each tick exactly once."""

from __future__ import annotations

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
from tests.chaos.verification import Verdict

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
    pools, names = scale.pick(3, 5), [f"s{number}" for number in range(scale.pick(8, 20))]
    first: dict[str, int] = {}
    stage.keep_alive(n=2, pools=pools)
    for name in names:
        made = stage.play.tick.schedule(name, IntervalTrigger(seconds=1), kwargs={"name": name}, missed="all")
        assert made.next_at is not None
        first[name] = made.next_at
    stage.until_begun(1, 30)
    for number in stage.ticks(scale.seconds, 0.5):
        stage.keep_alive(n=2, pools=pools)
        living = [pool for pool in stage.pools if pool.alive]
        if number % 6 == 5:
            stage.random.choice(living).kill_all()
            stage.hit()
        else:
            stage.kill_one([pid for pool in living for pid in pool.tree()[1:]])
    _fire_what_is_due(stage, names, pools)
    for name, record in _end(stage, names).items():
        assert record.last_at is not None
        if record.next_at != record.last_at + _STEP_MS:
            stage.problems.append(f"{name} stands at {record.next_at} after {record.last_at}")
        for tick in range(first[name], record.last_at + 1, _STEP_MS):
            stage.expect(tick_uuid(name, tick))
    stage.settle(scale.pick(40, 90), n=2, pools=pools)
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


def _left_out(stage: Stage) -> dict[str, list[int]]:
    """The ticks that were not run, by policy: all three schedules have the same, and one runs each."""
    ran = {policy: _ticks_run(stage, policy) for policy in _POLICIES}
    return {policy: [tick for tick in ran["all"] if tick not in ran[policy]] for policy in _POLICIES}


def _in_a_row(ticks: list[int]) -> bool:
    return not ticks or ticks == list(range(ticks[0], ticks[-1] + 1, _STEP_MS))


def _by_policy(stage: Stage, _: Verdict) -> list[str]:
    """All are run, or all but the last one of the time without pools, or all but those of that time."""
    every, left_out = _ticks_run(stage, "all"), _left_out(stage)
    problems = [] if every and _in_a_row(every) else [f"all: {every}"]
    problems += [
        f"{policy}: what was left out is not in a row: {ticks}"
        for policy, ticks in left_out.items()
        if not _in_a_row(ticks)
    ]
    latest, skip = left_out["latest"], left_out["skip"]
    if min(len(latest), len(skip)) * _STEP_MS < MISSED_AFTER - _STEP_MS:
        return [*problems, f"hardly anything was left out: {left_out}"]
    if latest[0] != skip[0]:
        problems.append(f"latest begins to leave out at {latest[0]}, skip at {skip[0]}")
    return problems


@scenario(
    "schedules while no pool runs for 30 s", judged=_by_policy, short=((SQLITE, PROCESS), (REDIS, THREAD))
)
def missed(stage: Stage, scale: Scale) -> None:
    """Of the ticks of that time, the last one is fired, or all, or none, as each schedule says."""
    trigger = CronTrigger(second="*", timezone="UTC")
    for policy in _POLICIES:
        stage.play.tick.schedule(policy, trigger, kwargs={"name": policy}, missed=policy)
    stage.pool()
    for policy in _POLICIES:
        _until_run(stage, policy, 2)
    _stop(stage.pools[-1])
    before = {policy: len(_ticks_run(stage, policy)) for policy in _POLICIES}
    stage.hit()
    time.sleep(scale.pick(MISSED_AFTER / 1_000 + 3, 30))
    stage.pool()
    for policy in _POLICIES:
        _until_run(stage, policy, before[policy] + 4)
    for policy, record in _end(stage, list(_POLICIES)).items():
        for tick in set(_ticks_run(stage, policy)) | ({record.last_at} - {None}):
            stage.expect(tick_uuid(policy, tick))
    stage.settle(30)
    numbers = {policy: len(ticks) for policy, ticks in _left_out(stage).items()}
    stage.note = ", ".join(f"{policy} left out {number}" for policy, number in numbers.items())


def _until_run(stage: Stage, name: str, many: int) -> None:
    deadline = time.monotonic() + stretched(30.0)
    while len(_ticks_run(stage, name)) < many:
        if time.monotonic() > deadline:
            raise AssertionError(f"{name} was not run {many} times:\n{stage.log}")
        time.sleep(0.05)


def _stop(pool: Pool) -> None:
    pool.process.send_signal(signal.SIGTERM)
    pool.process.wait(stretched(20))
