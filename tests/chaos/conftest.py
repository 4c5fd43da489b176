"""The short form runs several scenarios side by side: they mostly wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

_AT_ONCE = 5


class SideBySide:
    """Begins the work of all tests that were selected when the first asks for its own.

    Args:
        calls: The work of each.
        at_once: How many side by side; 0: none is begun before a test asks for it. pytest-xdist runs tests side by
            side itself, and shows each of its processes all of them.
    """

    def __init__(self, calls: dict[str, Callable[[], object]], at_once: int) -> None:
        self._executor = ThreadPoolExecutor(max(at_once, 1))
        self._calls = calls
        self._futures: dict[str, Future[object]] = (
            {name: self._executor.submit(call) for name, call in calls.items()} if at_once else {}
        )

    def result(self, name: str) -> object:
        """What a test's work came to."""
        return self._futures[name].result() if name in self._futures else self._calls[name]()

    def close(self) -> None:
        """Wait for what has begun, drop the rest."""
        self._executor.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """The work of all selected tests of a module, which defines ``work_of(params)``."""
    work_of = request.module.work_of
    calls = {
        item.nodeid: work_of(item.callspec.params)
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    }
    work = SideBySide(calls, 0 if hasattr(request.config, "workerinput") else _AT_ONCE)
    try:
        yield work
    finally:
        work.close()
