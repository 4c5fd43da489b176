"""The import paths that users rely on."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import alsek
from tests.packaging.imports import imports_of
from tests.packaging.monorepo import CODE, Package

#: What `alsek` has of other packages. `import *` leaves it out, so that it works without them.
OF_OTHER_PACKAGES = {
    "ProcessWorkerPool",
    "RedisBackend",
    "ResultPool",
    "SQLiteBackend",
    "StatusTrackerIntegrityScanner",
    "ThreadWorkerPool",
}

PATHS = [
    *(
        ("alsek", name)
        for name in (
            *sorted(OF_OTHER_PACKAGES),
            *alsek.__all__,
        )
    ),
    ("alsek.core.backoff", "ConstantBackoff"),
    ("alsek.core.backoff", "ExponentialBackoff"),
    ("alsek.core.backoff", "LinearBackoff"),
    ("alsek.core.broker", "Broker"),
    ("alsek.core.submission.calls", "Call"),
    ("alsek.core.concurrency", "Lock"),
    ("alsek.core.consumer", "Consumer"),
    ("alsek.core.message", "Message"),
    ("alsek.core.status", "StatusTracker"),
    ("alsek.core.status", "TaskStatus"),
    ("alsek.core.task", "Task"),
    ("alsek.core.task", "TriggerTask"),
    ("alsek.core.task", "task"),
    ("alsek.core.worker.process", "ProcessWorkerPool"),
    ("alsek.core.worker.thread", "ThreadWorkerPool"),
    ("alsek.exceptions", "Reject"),
    ("alsek.exceptions", "Retry"),
    ("alsek.storage.backends", "LazyClient"),
    ("alsek.storage.backends.abstract", "LazyClient"),
    ("alsek.storage.backends.memory", "MemoryBackend"),
    ("alsek.storage.backends.redis", "RedisBackend"),
    ("alsek.storage.backends.redis.standard", "RedisBackend"),
    ("alsek.storage.backends.sqlite", "SQLiteBackend"),
    ("alsek.storage.result", "ResultStore"),
    ("alsek.storage.serialization", "JsonSerializer"),
    ("alsek.storage.serialization", "Serializer"),
    ("alsek.tools", "ResultPool"),
    ("alsek.tools", "StatusTrackerIntegrityScanner"),
    ("alsek.tools", "StatusTrackerIntegryScanner"),
]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(
            module,
            name,
            id=f"{module}.{name}",
        )
        for module, name in PATHS
    ],
)
def test_the_path_exists(module: str, name: str) -> None:
    """Each import path of the guided tour and its clarifications works."""
    assert hasattr(importlib.import_module(module), name)


def test_one_class_has_one_identity() -> None:
    """A name that can be imported from two modules is the same object in both."""
    seen: dict[str, object] = {}
    for module, name in PATHS:
        value = getattr(importlib.import_module(module), name)
        assert seen.setdefault(name, value) is value, f"{module}.{name}"


def test_the_front_door_names_what_it_promises() -> None:
    """What type checkers read and what is imported late are the same names; `__all__` has those of this package."""
    file = CODE["alsek-core"].folder / "src" / "alsek" / "__init__.py"
    read_by_checkers = {name: one.module for one in imports_of(file) if one.for_types for name in one.names}
    assert read_by_checkers == alsek._SOURCES
    own = [name for name in read_by_checkers if name not in OF_OTHER_PACKAGES]
    assert sorted([*own, "__version__"]) == alsek.__all__
    assert {*alsek.__all__, *OF_OTHER_PACKAGES} <= set(dir(alsek))


def test_the_front_door_opens_nothing_by_itself() -> None:
    """`import alsek` imports nothing else of the family: a name is imported when it is asked for."""
    program = "import sys, alsek; print(*sorted(name for name in sys.modules if name.startswith('alsek')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["alsek", "alsek._missing", "alsek.version"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelled name is reported as of any module, and hides no import error."""
    with pytest.raises(AttributeError, match="module 'alsek' has no attribute 'Brokr'"):
        alsek.Brokr  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize("package", CODE.values(), ids=CODE)
def test_every_public_list_is_true(package: Package) -> None:
    """What a module lists in `__all__` is there, and listed once."""
    for file in package.sources:
        names = [
            ast.literal_eval(node.value)
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
        ]
        if names:
            module = importlib.import_module(package.module(file))
            assert [name for name in names[0] if not hasattr(module, name)] == [], file
            assert len(set(names[0])) == len(names[0]), file
