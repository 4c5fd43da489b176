"""Histories as Hypothesis makes them, and makes them small when they fail."""

from __future__ import annotations

from random import Random
from typing import ClassVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.contract.stores import Store
from tests.differential.history import History

#: How many acts a history has at most.
STEPS = 80


class DifferentialMachine(RuleBasedStateMachine):
    """One history. What each act is comes from a seed of its own, so that any of them can be left out."""

    stores: ClassVar[tuple[Store, Store]]
    keys: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.history = History(self.stores, self.keys)

    def teardown(self) -> None:
        try:
            self.history.look_closer()
        finally:
            self.history.pair.close()

    @rule(seed=st.integers(0, 2**40))
    def act(self, seed: int) -> None:
        """Whatever this seed says."""
        self.history.act(seed)


def explore(first: Store, second: Store, histories: int, seed: int, keys: bool = False) -> None:
    """Compare two stores over so many histories, and make one that fails small.

    Args:
        first: One store.
        second: The other.
        histories: How many.
        seed: Of the histories.
        keys: Messages may have unique keys and limits.

    Raises:
        AssertionError: The stores differ.
    """
    machine = cast(
        type[DifferentialMachine],
        type("Machine", (DifferentialMachine,), {"stores": (first, second), "keys": keys}),
    )
    wanted = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        phases=[Phase.generate, Phase.shrink],
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(seeded(seed)(machine), settings=wanted)


def repeat(first: Store, second: Store, histories: int, seed: int, keys: bool = False) -> None:
    """Compare two stores over histories that are the same each time, as :func:`explore` does.

    Hypothesis draws from the constants of all modules that are imported, so its histories depend on which tests have
    run before.
    """
    chance = Random(seed)
    for _ in range(histories):
        history = History((first, second), keys)
        try:
            for _ in range(chance.randrange(STEPS)):
                history.act(chance.getrandbits(40))
            history.look_closer()
        finally:
            history.pair.close()
