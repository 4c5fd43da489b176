"""A process is killed, or a reply lost, at each point of each step that writes; on both stores, in real pools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.conftest import SideBySide
from tests.chaos.environment import Stage
from tests.chaos.exception_text import told
from tests.chaos.fault_points import marker
from tests.chaos.process_tree import send
from tests.chaos.producer import uuids_of
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD
from tests.chaos.stores import StoreKind
from tests.chaos.timing_factor import stretched

_CHAINS = 8

#: In the pool: each is tried on a thread pool.
_POINTS = [
    f"{operation}:{moment}:{effect}"
    for operation in ("register", "claim", "finish", "renew", "retire")
    for moment in ("before", "after")
    for effect in ("kill", "lose")
]
#: Where the process pool takes another way: its engine is a process without tasks, and its tasks outlive its steps.
_POINTS_OF_PROCESS_POOL = ["claim:after:kill", "finish:before:kill", "finish:after:kill", "renew:after:kill"]
#: Between the writes of one step. (Redis has none: a script's effects are all in its file, or none is.)
_INSIDE = [
    *(f"finish:inside-{n}:kill" for n in (1, 3, 5, 8, 11)),
    *(f"claim:inside-{n}:kill" for n in (1, 3, 6)),
    "finish:inside-end:kill",
    "claim:inside-end:kill",
    "renew:inside-2:kill",
    "renew:inside-end:kill",
    "retire:inside-2:kill",
    "retire:inside-end:kill",
]
_OF_PRODUCER = ["add:before:kill", "add:after:kill", "add:before:lose", "add:after:lose"]

Point = tuple[StoreKind, str, str]

_PARAMS: list[Point] = [
    *((store, THREAD, point) for store in (SQLITE, REDIS) for point in _POINTS),
    *((store, PROCESS, point) for store in (SQLITE, REDIS) for point in _POINTS_OF_PROCESS_POOL),
    *((SQLITE, THREAD, point) for point in (*_INSIDE, "add:inside-3:kill", "add:inside-end:kill")),
    *((store, THREAD, point) for store in (SQLITE, REDIS) for point in _OF_PRODUCER),
]


def work_of(params: dict[str, Any]) -> Callable[[], list[str]]:
    """What is run side by side for a test."""
    store, pool, point = params["point"]
    return lambda: _problems(store, pool, point)


def _problems(store: StoreKind, pool: str, fault: str) -> list[str]:
    """What did not go as it must when this fault met a pool with some chains to do."""
    stage = Stage(store, pool)
    try:
        play = _play_producer if fault.startswith("add:") else _play_pool
        play(stage, fault)
        verdict = stage.verdict()
        problems = [*verdict.lost, *verdict.doubles, *verdict.stray, *stage.problems]
        wanted = 2 * _CHAINS + len(stage.restless)
        if verdict.messages != wanted:
            problems.append(f"{verdict.messages} messages ended, not {wanted}")
        if not marker(stage.folder, fault).exists():
            problems.append("the fault never fired")
        return [*problems, stage.log] if problems else []
    except Exception as error:  # noqa: BLE001 (told by the test that asked for it)
        return [told(error), stage.log]
    finally:
        stage.close()


def _play_pool(stage: Stage, fault: str) -> None:
    if fault.startswith("renew:"):
        stage.lease = 1.5  # so that there is a renewal while the messages are under way
    stage.pool(n=2, faults=[fault])
    if fault.startswith("retire:"):
        _let_a_group_die(stage)
    stage.mixed(2)
    stage.chains(_CHAINS - 2, 25 if not fault.startswith("renew:") else 250)
    deadline = time.monotonic() + stretched(10)
    while not marker(stage.folder, fault).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    stage.hit()
    stage.settle(30, n=2)
    stage.stop()


def _let_a_group_die(stage: Stage) -> None:
    """What it held is given back by `retire`, in a process of its own."""
    stage.hold(1)
    stage.until_begun(1)
    (message,) = stage.lines()
    send(message.pid)
    stage.release()
    stage.settle(30, n=2)
    # The judge counts chains alone.
    stage.submitted.clear()
    stage.journal.unlink()


def _play_producer(stage: Stage, fault: str) -> None:
    settings = {
        **stage.store.settings,
        "journal": str(stage.journal),
        "folder": str(stage.folder),
        "faults": [fault],
    }
    command = [sys.executable, "-m", "tests.chaos.producer", "x", str(_CHAINS)]
    for _ in range(2):
        subprocess.run(
            command,
            env={**os.environ, "ALSEK_CHAOS": json.dumps(settings)},
            timeout=stretched(30),
            check=False,
        )
    for number in range(_CHAINS):
        parent, child = uuids_of("x", number)
        stage.submitted[parent] = None
        stage.callbacks[parent] = child
    stage.pool(n=2)
    stage.settle(30)
    stage.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", [pytest.param(each, id="-".join(each)) for each in _PARAMS])
def test_a_fault_at_this_point_loses_nothing(
    point: Point, side_by_side: SideBySide, request: pytest.FixtureRequest
) -> None:
    """Whatever dies or is cut here: every chain ends, once, with all that belongs to it."""
    problems = side_by_side.result(request.node.nodeid)
    assert isinstance(problems, list)
    assert not problems, "\n".join(problems)
