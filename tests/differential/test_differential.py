"""Every store answers and holds what the store in memory does, after any history of calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores import InMemory, InRedis, InSQLite, Store
from tests.differential.machine import explore

pytestmark = pytest.mark.deep

#: How many histories the short form looks at.
EXAMPLES = {"sqlite": 15, "redis": 15}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_it_answers_as_memory_does(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A random history has the same answers, and leaves the same behind, on this store as in memory."""
    other: Store = InSQLite(tmp_path) if kind == "sqlite" else InRedis(request.getfixturevalue("redis_url"))
    memory = InMemory()
    try:
        explore(memory, other, EXAMPLES[kind])
    finally:
        memory.finish()
        other.finish()
