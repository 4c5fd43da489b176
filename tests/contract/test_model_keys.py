"""Long random histories of messages with unique keys and limits, held against the model after every call."""

from __future__ import annotations

from tests.contract.stores import Store
from tests.contract.test_model import explore


def test_random_histories_with_keys_and_limits(store: Store) -> None:
    """After every call of any history, the store holds and answers what the model does."""
    explore(store, with_keys=True)
