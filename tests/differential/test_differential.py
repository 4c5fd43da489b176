"""Every store answers and holds what the store in memory does, after any history of calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.stores import InMemory, InRedis, InSQLite, Store
from tests.differential.machine import repeat

pytestmark = pytest.mark.deep

#: How many histories the short form looks at.
EXAMPLES = {"sqlite": 15, "redis": 15}
#: Of these histories.
SEED = 2


def _compare(kind: str, folder: Path, request: pytest.FixtureRequest, *, keys: bool) -> None:
    other: Store = InSQLite(folder) if kind == "sqlite" else InRedis(request.getfixturevalue("redis_url"))
    memory = InMemory()
    try:
        repeat(memory, other, EXAMPLES[kind], SEED, keys=keys)
    finally:
        memory.finish()
        other.finish()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_it_answers_as_memory_does(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A random history has the same answers, and leaves the same behind, on this store as in memory."""
    _compare(kind, tmp_path, request, keys=False)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_it_answers_as_memory_does_with_keys(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same holds if messages have unique keys and limits."""
    _compare(kind, tmp_path, request, keys=True)
