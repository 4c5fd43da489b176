"""The stores name the phases of a step alike, so that they can be read side by side."""

from __future__ import annotations

import pytest

from tests.packaging.monorepo import ROOT

_BACKENDS = "src/alsek/storage/backends"
_MEMORY = ROOT / "packages/alsek-core" / _BACKENDS / "memory/messages"
_SQLITE = ROOT / "packages/alsek-sqlite" / _BACKENDS / "sqlite/messages"
_REDIS = ROOT / "packages/alsek-redis" / _BACKENDS / "redis/scripts/shared"

#: In every store.
PHASES = (
    "submissions",
    "claims",
    "outcomes",
    "promotion",
    "takeover",
    "leases",
    "wakeups",
    "dead_letters",
)

#: On Redis these are a script for each operation, and a fragment for each state.
PYTHON_MODULES = (*PHASES, "steps", "queries", "interventions", "transitions")


@pytest.mark.parametrize("phase", PYTHON_MODULES)
def test_memory_and_sqlite_have_the_same_modules(phase: str) -> None:
    """What the one store does in a module, the other does in the module of the same name."""
    assert (_MEMORY / f"{phase}.py").is_file()
    assert (_SQLITE / f"{phase}.py").is_file()


@pytest.mark.parametrize("phase", PHASES)
def test_redis_has_a_fragment_for_each_phase(phase: str) -> None:
    """What the other stores do in a module, Redis does in the Lua fragment of the same name."""
    assert (_REDIS / f"{phase}.lua").is_file()
