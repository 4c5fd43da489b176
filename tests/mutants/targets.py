"""What is mutated, and which tests are nearest to it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Target(NamedTuple):
    """Source files, and the tests that are run for a mistake in one of them.

    Attributes:
        name: To ask for it.
        sources: Patterns below ``packages``.
        tests: What pytest is given.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]


_CORE = "alsek-core/src/alsek"
_WORKER = "alsek-workers/src/alsek/core/worker"
_SQLITE = "alsek-sqlite/src/alsek/storage/backends/sqlite"

TARGETS: Final = (
    Target(
        "execution",
        (f"{_CORE}/core/execution/*.py",),
        ("tests/unit/core", "tests/unit/workers/test_thread_job.py"),
    ),
    Target(
        "schedules",
        (f"{_CORE}/core/schedules/*.py",),
        ("tests/unit/core/schedules",),
    ),
    Target(
        "engine",
        (f"{_WORKER}/engine/*.py",),
        ("tests/unit/workers/test_engine*.py", "tests/unit/workers/test_outcome_checks.py"),
    ),
    Target(
        "threads",
        (f"{_WORKER}/thread_executor/*.py",),
        ("tests/unit/workers/test_thread*.py", "tests/unit/workers/test_work_queue.py"),
    ),
    Target(
        "processes",
        (f"{_WORKER}/process_executor/*.py",),
        (
            "tests/unit/workers/test_dispatcher.py",
            "tests/unit/workers/test_p*.py",
            "tests/unit/workers/test_t*.py",
        ),
    ),
    Target(
        "supervisor",
        (f"{_WORKER}/supervisor/*.py",),
        ("tests/unit/workers/test_supervisor*.py", "tests/unit/workers/test_recovery*.py"),
    ),
    Target(
        "memory",
        (
            f"{_CORE}/storage/backends/memory/*.py",
            f"{_CORE}/storage/backends/memory/messages/*.py",
            f"{_CORE}/storage/backends/memory/messages/groups/*.py",
        ),
        ("tests/unit/memory", "tests/contract", "-k", "memory"),
    ),
    Target(
        "sqlite",
        (f"{_SQLITE}/messages/*.py",),
        ("tests/unit/sqlite", "tests/contract", "-k", "sqlite and not model"),
    ),
)
