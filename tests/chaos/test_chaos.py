"""The short form of the chaos suite: every scenario, with small numbers. ``hatch run chaos`` is the long one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tests.chaos.scenarios  # noqa: F401  (registers them)
from tests.chaos.conftest import SideBySide
from tests.chaos.scenario import PARTITIONS as ONE_SERVER
from tests.chaos.scenario import REDIS, SCENARIOS, SQLITE, Row, Scale, Scenario, run
from tests.chaos.stores import StoreKind
from tests.chaos.summary_table import table
from tests.conftest import redis_version

pytestmark = pytest.mark.deep

_SEED = 4

_PARAMS = [
    pytest.param((scenario, store, pool), id=f"{scenario.name}-{store}-{pool.removesuffix('-pool')}")
    for scenario in SCENARIOS
    for store, pool in scenario.short
]


def work_of(params: dict[str, Any]) -> Callable[[], Row]:
    """What is run side by side for a test."""
    scenario, store, pool = params["stage"]
    return lambda: run(scenario, store, pool, Scale(), _SEED)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stage", _PARAMS)
def test_nothing_is_lost(
    stage: tuple[Scenario, StoreKind, str], side_by_side: SideBySide, request: pytest.FixtureRequest
) -> None:
    """Nothing is lost, nothing accepted twice, no dead letter that should not be, and no process left behind."""
    promotes = "failover" in stage[0].name or stage[1] not in (SQLITE, REDIS, ONE_SERVER)
    if promotes and redis_version() < (7,):
        pytest.skip("before Redis 7 a replica's append-only file does not tell what came before it")
    row = side_by_side.result(request.node.nodeid)
    assert isinstance(row, Row)
    print(table([row]))
    assert row.good, "\n".join([*row.problems[:20], row.log])
