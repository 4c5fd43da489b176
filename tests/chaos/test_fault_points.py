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
from tests.chaos.tasks import QUEUE
from tests.chaos.timing_factor import stretched

pytestmark = pytest.mark.deep

_CHAINS = 8

#: What befalls the caller of an operation: before the store has heard of it, and after it was carried out.
_AROUND = ("before:kill", "before:lose", "after:kill", "after:lose")


def _faults(operation: str, *ends: str) -> tuple[str, ...]:
    return tuple(f"{operation}:{end}" for end in ends)


#: In the pool: each is tried on a thread pool. The faults of a line are set in one pool, where each fires once; what
#: dies at one of them is replaced, and goes into the next.
_IN_POOLS = [
    *(_faults(operation, *_AROUND) for operation in ("register", "claim", "finish", "renew")),
    *(_faults("retire", end) for end in _AROUND),
]
#: Where the process pool takes another way: its engine is a process without tasks, and its tasks outlive its steps.
_IN_PROCESS_POOLS = [
    (*_faults("claim", "after:kill"), *_faults("finish", "before:kill", "after:kill")),
    _faults("renew", "after:kill"),
]
#: What is pushed to a worker: the process dies with it before it starts, or never hears of it. (This thread pool has
#: ``async def`` tasks: it is pushed nothing.)
_PUSHED = [_faults("push", "before:kill", "before:lose")]
#: Between the writes of one step. (Redis has none: a script's effects are all in its file, or none is.)
_INSIDE = [
    _faults("finish", *(f"inside-{n}:kill" for n in (1, 3, 5, 8, 11)), "inside-end:kill"),
    _faults("claim", *(f"inside-{n}:kill" for n in (1, 3, 6)), "inside-end:kill"),
    _faults("renew", "inside-2:kill", "inside-end:kill"),
    _faults("retire", "inside-2:kill"),
    _faults("retire", "inside-end:kill"),
    _faults("add", "inside-3:kill", "inside-end:kill"),
]
_IN_PRODUCERS = [_faults("add", *_AROUND)]

Point = tuple[StoreKind, str, tuple[str, ...]]

_PARAMS: list[Point] = [
    *((store, THREAD, faults) for store in (SQLITE, REDIS) for faults in (*_IN_POOLS, *_IN_PRODUCERS)),
    *((store, PROCESS, faults) for store in (SQLITE, REDIS) for faults in _IN_PROCESS_POOLS),
    *((SQLITE, THREAD, faults) for faults in _INSIDE),
    *((REDIS, PROCESS, faults) for faults in _PUSHED),
]


def _name(point: Point) -> str:
    store, pool, faults = point
    operations = dict.fromkeys(fault.partition(":")[0] for fault in faults)
    each = [
        operation + "".join(f":{fault.partition(':')[2]}" for fault in faults if fault.startswith(operation))
        for operation in operations
    ]
    return "-".join([store, pool, *each])


def work_of(params: dict[str, Any]) -> Callable[[], list[str]]:
    """What is run side by side for a test."""
    store, pool, faults = params["point"]
    return lambda: _problems(store, pool, faults)


def _problems(store: StoreKind, pool: str, faults: tuple[str, ...]) -> list[str]:
    """What did not go as it must when these faults met a pool with some chains to do."""
    stage = Stage(store, pool)
    try:
        play = _play_producer if faults[0].startswith("add:") else _play_pool
        play(stage, faults)
        verdict = stage.verdict()
        problems = [*verdict.lost, *verdict.doubles, *verdict.stray, *stage.problems]
        wanted = len(stage.submitted) + len(stage.callbacks)
        if verdict.messages != wanted:
            problems.append(f"{verdict.messages} messages ended, not {wanted}")
        problems += [f"{fault} never fired" for fault in _not_fired(stage, faults)]
        return [*problems, stage.log] if problems else []
    except Exception as error:  # noqa: BLE001 (told by the test that asked for it)
        return [told(error), stage.log]
    finally:
        stage.close()


def _not_fired(stage: Stage, faults: tuple[str, ...]) -> list[str]:
    return [fault for fault in faults if not marker(stage.folder, fault).exists()]


def _play_pool(stage: Stage, faults: tuple[str, ...]) -> None:
    renewals = faults[0].startswith("renew:")
    if renewals:
        stage.lease = 1.5  # so that there is a renewal while the messages are under way
    stage.pool(n=2, faults=faults)
    if faults[0].startswith("retire:"):
        _let_a_group_die(stage)
    stage.mixed(2)
    stage.chains(_CHAINS - 2, 250 if renewals else 25)
    deadline = time.monotonic() + stretched(10 + 2 * len(faults))
    while _not_fired(stage, faults) and time.monotonic() < deadline:
        stage.keep_alive(n=2, faults=faults)
        if stage.play.broker.backend.messages.count(QUEUE) < 2:
            stage.chains(2, 250 if renewals else 25)
        time.sleep(0.02)
    stage.hit(len(faults))
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


def _play_producer(stage: Stage, faults: tuple[str, ...]) -> None:
    settings = {
        **stage.store.settings,
        "journal": str(stage.journal),
        "folder": str(stage.folder),
        "faults": list(faults),
    }
    command = [sys.executable, "-m", "tests.chaos.producer", "x", str(_CHAINS)]
    for _ in range(1 + len(faults)):
        subprocess.run(
            command,
            env={**os.environ, "ALSEK_CHAOS": json.dumps(settings)},
            timeout=stretched(30),
            check=False,
        )
    for number in range(_CHAINS):
        parent, child = uuids_of("x", number)
        stage.submitted[parent] = 0.0
        stage.callbacks[parent] = child
    stage.pool(n=2)
    stage.settle(30)
    stage.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", [pytest.param(each, id=_name(each)) for each in _PARAMS])
def test_a_fault_at_this_point_loses_nothing(
    point: Point, side_by_side: SideBySide, request: pytest.FixtureRequest
) -> None:
    """A process dies or a reply is lost at each of these points: every chain ends once, with all that belongs to it."""
    problems = side_by_side.result(request.node.nodeid)
    assert isinstance(problems, list)
    assert not problems, "\n".join(problems)
