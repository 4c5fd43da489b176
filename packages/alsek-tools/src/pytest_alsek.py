"""The pytest plugin of alsek-tools: the fixture ``alsek_worker``.

pytest imports this module in every run, so it is no part of the package ``alsek``, and imports nothing of that before a
test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from alsek.testing import TestWorker


@pytest.fixture
def alsek_worker() -> Iterator[Callable[..., TestWorker]]:
    """A function that returns the test's worker for modules or tasks. All of their backends work in memory meanwhile.

    Called again in the same test, it returns the same worker, which runs the tasks of these targets too.
    """
    from alsek.testing import TestWorker  # here: most test runs have no such test

    worker: TestWorker | None = None

    def make(*targets: Any) -> TestWorker:
        nonlocal worker
        if worker is None:
            worker = TestWorker(*targets)
        else:
            worker.add(*targets)
        return worker

    yield make
    if worker is not None:
        worker.close()
