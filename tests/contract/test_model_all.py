"""Long random histories of members of groups that have unique keys and limits: see ``test_model.py``."""

from __future__ import annotations

import pytest

from tests.contract.stores import Store
from tests.contract.test_model import explore
from tests.contract.test_model_groups import GroupMachine


@pytest.mark.deep
def test_random_histories_with_groups_keys_and_limits(store: Store) -> None:
    """After every call of any history, the store holds and answers what the model does."""
    explore(store, GroupMachine, with_keys=True)
