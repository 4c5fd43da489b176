"""Which tasks and backends a test is about."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from alsek.core.broker import Broker
from alsek.core.short_repr import shown
from alsek.core.task import AnyTask, Task
from alsek.exceptions import NoTasksFoundError, ValidationError
from alsek.storage.backends.abstract import Backend

#: Attributes in which tasks, brokers and stores keep their backends, or what has one.
_HOLDERS = ("backend", "broker", "result_store", "status_tracker")


def tasks_of(targets: Iterable[Any]) -> dict[str, AnyTask]:
    """Return the tasks of modules, packages (with all modules below), their names, or tasks, by name.

    Raises:
        ValidationError: A target is something else, or two tasks have one name.
        NoTasksFoundError: There is no task.
    """
    targets = list(targets)
    found: dict[str, AnyTask] = {}
    for target in targets:
        for task in _tasks(target):
            other = found.setdefault(task.name, task)
            if other is not task:
                raise ValidationError(
                    f"two tasks are named {task.name!r}, of {other.function!r} and of {task.function!r}: a worker can "
                    "have one of them"
                )
    if not found:
        raise NoTasksFoundError(
            f"no task found in {', '.join(map(shown, targets)) or 'nothing'}: give the modules that define tasks, or "
            "the tasks"
        )
    return found


def _tasks(target: Any) -> Iterator[AnyTask]:
    if isinstance(target, str):
        target = importlib.import_module(target)
    if issubclass(type(target), Task):
        yield target
    elif isinstance(target, ModuleType):
        for module in _modules(target):
            for value in list(vars(module).values()):
                if issubclass(type(value), Task):
                    yield value
    else:
        raise ValidationError(
            f"{shown(target)} is no target of a test: give a module, a package, the name of one, or a task"
        )


def _modules(module: ModuleType) -> Iterator[ModuleType]:
    """Yield a module; if it is a package, all modules below as well, but for those that run programs."""
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{module.__name__}."):
        if info.name.rpartition(".")[2] != "__main__":
            yield importlib.import_module(info.name)


def brokers_of(tasks: Iterable[AnyTask]) -> list[Broker]:
    """Return the brokers of these tasks, each once."""
    return list({id(task.broker): task.broker for task in tasks}.values())


def backends_of(targets: Iterable[Any], tasks: Iterable[AnyTask]) -> list[Backend]:
    """Return the backends of tasks, of their brokers, result stores and trackers, and those in modules, each once."""
    found: dict[int, Backend] = {}
    seen: set[int] = set()

    def look_at(value: Any) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if issubclass(type(value), Backend):
            found[id(value)] = value
            return
        for name in _HOLDERS:
            held = vars(value).get(name) if hasattr(value, "__dict__") else None
            if held is not None:
                look_at(held)

    for task in tasks:
        look_at(task)
    for target in targets:
        if isinstance(target, str):
            target = importlib.import_module(target)
        if isinstance(target, ModuleType):
            for value in list(vars(target).values()):
                if type(value).__module__.partition(".")[0] == "alsek" or issubclass(type(value), Backend):
                    look_at(value)
    return list(found.values())
