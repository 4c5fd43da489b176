"""Running histories, a few that stay the same or many new ones."""

from __future__ import annotations

from typing import cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.stores import Store
from tests.differential.machine import DifferentialMachine

#: How many calls a history has at most.
STEPS = 50


def explore(first: Store, second: Store, histories: int, seed: int | None) -> None:
    """Compare two stores over so many histories.

    Args:
        first: One store.
        second: The other.
        histories: How many.
        seed: None for histories that are the same each time, and are not made small when one fails.

    Raises:
        AssertionError: The stores differ.
    """
    machine = cast(
        type[DifferentialMachine], type("Machine", (DifferentialMachine,), {"stores": (first, second)})
    )
    wanted = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        derandomize=seed is None,
        phases=[Phase.generate] if seed is None else [Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    if seed is not None:
        seeded(seed)(machine)
    run_state_machine_as_test(machine, settings=wanted)
