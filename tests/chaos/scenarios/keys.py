"""Messages that exclude each other, while what runs them dies: unique keys, and limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from alsek import Concurrency
from tests.chaos.environment import Stage
from tests.chaos.exclusion import by_source, overlaps, peak, share
from tests.chaos.key_producer import FATES, accepted_by
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.stores import open_backend
from tests.chaos.verification import Results, Verdict

_PRODUCERS = 8
_KEYS = 50
_AMOUNTS = (1, 4, 20)


def _one_at_a_time(stage: Stage, verdict: Verdict) -> list[str]:
    backend = open_backend(stage.store.direct)
    try:
        results = Results(backend)
        keyed = {
            source: lines for source, lines in by_source(stage.lines()).items() if source.startswith("key-")
        }
        problems = [
            f"{source}: {text}" for source, lines in keyed.items() for text in overlaps(lines, results.run)
        ]
        for key in range(_KEYS):
            message = stage.play.keyed.generate(
                kwargs={"key": key, "ms": 0, "fate": "succeeds"}, submit=False
            )
            unique = message.submission(backend.serializer).unique
            assert unique is not None
            if (taken := backend.messages.unique_key(unique.key)) is not None:
                problems.append(f"key {key} stays taken: {taken}")
        return problems
    finally:
        backend.close()


@scenario(
    "eight producers of the same 50 unique keys, SIGKILL of workers",
    judged=_one_at_a_time,
    short=((SQLITE, THREAD), (REDIS, PROCESS)),
)
def unique_keys(stage: Stage, scale: Scale) -> None:
    """Messages of one key never overlap, and each key is free in the end."""
    count = int(scale.seconds * 20)
    stage.keep_alive(pools=2)
    stage.work(2)
    stage.until_begun(1)
    producers = _producers(stage, count, scale.seconds)
    try:
        while producers.poll() is None:
            stage.keep_alive(pools=2)
            stage.kill_one(stage.holders())
            time.sleep(0.5)
    finally:
        producers.kill()
        producers.wait(60)
    assert producers.returncode == 0, f"{producers.returncode} producers failed"
    for number in range(_PRODUCERS):
        for uuid, fate in accepted_by(stage.folder, number):
            stage.expect(uuid, mortal=fate == "fails", restless=fate == "retries")
    stage.note = f"{len(stage.submitted)} of {_PRODUCERS * count} accepted"
    stage.settle(scale.pick(30, 60), pools=2)
    _take_each_key_again(stage)
    stage.settle(30, pools=2)


def _producers(stage: Stage, count: int, seconds: float) -> subprocess.Popen[bytes]:
    settings = {**stage.store.settings, "journal": str(stage.journal), "folder": str(stage.folder)}
    numbers = (_PRODUCERS, count, _KEYS, seconds, stage.random.randrange(2**32))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.key_producer", *map(str, numbers)],
        env={**os.environ, "ALSEK_CHAOS": json.dumps(settings)},
    )


def _take_each_key_again(stage: Stage) -> None:
    for key in range(_KEYS):
        message = stage.play.keyed.generate(kwargs={"key": key, "ms": 0, "fate": "succeeds"})
        if message.duplicate:
            stage.problems.append(f"key {key} is held by {message.uuid}, though nothing is left to run")
        else:
            stage.expect(message.uuid)


def _peaks(stage: Stage) -> dict[int, int]:
    """How many messages of each limit ran at once, at the most."""
    lanes = by_source(stage.lines())
    return {amount: peak(lanes.get(f"lane-{amount}", []), stage.killed) for amount in _AMOUNTS}


def _never_above(stage: Stage, verdict: Verdict) -> list[str]:
    problems = []
    for amount, most in _peaks(stage).items():
        if most > amount:
            problems.append(f"{most} ran at once, of {amount}")
        if most < min(amount, 2):
            problems.append(f"never more than {most} ran at once, of {amount}: nothing was tested")
    backend = open_backend(stage.store.direct)
    try:
        left = [each for each in backend.messages.limits() if each.used or each.waiting]
    finally:
        backend.close()
    return problems + [f"a limit is in use when nothing is left to run: {each}" for each in left]


@scenario(
    "limits of 1, 4 and 20 at once, SIGKILL of those that run",
    judged=_never_above,
    short=((SQLITE, THREAD), (REDIS, PROCESS)),
)
def limits(stage: Stage, scale: Scale) -> None:
    """However many holders die, never more run at once than a limit allows, and each place is free in the end.

    There are more slots than places, so that it is the limits that hold messages back: three pools with up to two
    groups of 8 threads each, or with 10 processes each.
    """
    n, pools = (8 if stage.pool_kind == THREAD else 10), 3
    lanes: dict[int, dict[str, float]] = {amount: {} for amount in _AMOUNTS}
    stage.keep_alive(n=n, pools=pools)
    _fill_lanes(stage, lanes)
    stage.until_begun(sum(_AMOUNTS))
    begun = time.monotonic()
    for _ in stage.ticks(scale.seconds, 0.4):
        _fill_lanes(stage, lanes)
        stage.keep_alive(n=n, pools=pools)
        stage.kill_one(stage.holders())
    window = (begun, time.monotonic())
    stage.settle(scale.pick(40, 90), n=n, pools=pools)
    stage.note = "; ".join(_use(stage, amount, each, window) for amount, each in lanes.items())


def _use(stage: Stage, amount: int, submitted: dict[str, float], window: tuple[float, float]) -> str:
    """How much of a limit was used, in words."""
    lines = by_source(stage.lines()).get(f"lane-{amount}", [])
    used = share(lines, stage.killed, submitted, amount, window, stage.lease)
    return (
        f"{peak(lines, stage.killed)} of {amount} at once, {used.run:.1%} used in {used.seconds:.0f} s"
        f" ({used.held:.1%} with the places of the dead)"
    )


def _fill_lanes(stage: Stage, lanes: dict[int, dict[str, float]]) -> None:
    """Submit, so that more messages wait for each limit than can run before the next time."""
    begun = {line.uuid for line in stage.lines() if line.what == "begun"}
    for amount, submitted in lanes.items():
        for _ in range(3 + 2 * amount - len(submitted.keys() - begun)):
            fate = stage.random.choice(FATES)
            message = stage.play.lane.generate(
                kwargs={"amount": amount, "ms": stage.random.randrange(200, 1000), "fate": fate},
                limits=[Concurrency(amount, key=f"lane-{amount}")],
                submit=False,
            )
            stage.submit(message, mortal=fate == "fails", restless=fate == "retries")
            submitted[message.uuid] = stage.submitted[message.uuid]
