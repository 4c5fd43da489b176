"""Django in the process of the tests: settings, two databases, and a store in memory for each test."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import django
import pytest
from django.conf import settings
from django.db import connections

from alsek.django.framework import tasks_framework
from alsek.testing import TestWorker


def _backend(**options: Any) -> dict[str, Any]:
    return {
        "BACKEND": "alsek.django.AlsekBackend",
        "OPTIONS": {"store": "sqlite:////dev/null/never.db", **options},
        "QUEUES": [],
    }


@pytest.fixture(scope="session")
def _django(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("django")
    database = {"ENGINE": "django.db.backends.sqlite3"}
    settings.configure(
        INSTALLED_APPS=["alsek.django", "tests.unit.django.project"],
        DATABASES={
            "default": {**database, "NAME": folder / "default.sqlite3", "CONN_MAX_AGE": 0},
            "archive": {**database, "NAME": folder / "archive.sqlite3"},
        },
        TASKS={
            "default": _backend(),
            "stubborn": _backend(max_retries=2, namespace="stubborn"),
            "careful": _backend(on_commit=True),
            "elsewhere": {
                "BACKEND": f"{tasks_framework().BaseTaskBackend.__module__.rpartition('.')[0]}.dummy.DummyBackend"
            },
        },
        USE_TZ=True,
        LOGGING_CONFIG=None,
    )
    django.setup()


@pytest.fixture
def tasks(_django: None) -> Iterator[ModuleType]:
    """The module of tasks."""
    module = importlib.import_module("tests.unit.django.project.tasks")
    module.seen.clear()
    yield module
    connections.close_all()


@pytest.fixture
def worker(tasks: ModuleType) -> Iterator[TestWorker]:
    """A worker for the tasks, in memory."""
    discovered = importlib.import_module("alsek.django.discovered")
    with TestWorker(discovered) as worker:
        yield worker


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The example, where it can be run."""
    return Path(__file__).parents[3] / "examples" / "django"
