"""Finds the tasks of a project: Django's and Alsek's, in the ``tasks.py`` of its applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.conf import settings

from alsek.cli.importing.module import import_module
from alsek.cli.importing.scanning import Scan
from alsek.core.broker import Broker
from alsek.core.hooks import WorkerHook
from alsek.core.middleware import overriding
from alsek.core.task import AnyTask, Task
from alsek.django.connections import DatabaseConnections
from alsek.django.framework import has_tasks_framework, tasks_framework

#: Folders of installed packages.
_FOREIGN: Final = frozenset({"site-packages", "dist-packages"})
_OWN: Final = Path(__file__).resolve().parent


class Discovered(NamedTuple):
    """What the modules of a project define.

    Attributes:
        tasks: Alsek's tasks, and one for each task of Django's whose backend is an AlsekBackend.
        hooks: The hooks of workers.
    """

    tasks: list[AnyTask]
    hooks: list[WorkerHook]


def task_modules() -> Iterator[ModuleType]:
    """Import and yield the modules of tasks of the installed applications: ``tasks.py``, or all in a package ``tasks``.

    Raises:
        ModuleImportError: One raised an exception.
    """
    scan = Scan()
    for app in apps.get_app_configs():
        name = f"{app.name}.tasks"
        if find_spec(name) is not None:
            yield from scan.package(import_module(name))


def folders_of_the_project() -> list[Path]:
    """Return the folders of the installed applications and of the settings, but those of installed packages."""
    names = [app.name for app in apps.get_app_configs()]
    folders = []
    for name in filter(None, [*names, settings.SETTINGS_MODULE]):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).resolve().parent
            if _FOREIGN.isdisjoint(folder.parts) and not folder.is_relative_to(_OWN):
                folders.append(folder)
    return sorted(set(folders))


def discover(modules: Iterable[ModuleType], alias: str | None = None) -> Discovered:
    """Return the tasks and hooks that these modules define, each once.

    With an alias, all tasks of Django's are those of its store, since each may be enqueued there; of Alsek's, those on
    its store are returned.

    The brokers of the tasks get a :class:`~alsek.django.connections.DatabaseConnections`, unless they have one.
    """
    found: dict[int, Any] = {}
    for module in modules:
        found.update((id(value), value) for value in vars(module).values())
    values: Sequence[Any] = list(found.values())
    tasks = [value for value in values if issubclass(type(value), Task)]
    if alias is not None:
        store = backend_named(alias).broker.backend
        tasks = [task for task in tasks if task.broker.backend.same_store(store)]
    tasks += _of_django(values, alias)
    for broker in {id(task.broker): task.broker for task in tasks}.values():
        close_connections_around_attempts(broker)
    return Discovered(tasks, [value for value in values if issubclass(type(value), WorkerHook)])


def _of_django(values: Iterable[Any], alias: str | None) -> Iterator[AnyTask]:
    if not has_tasks_framework():
        return
    from alsek.django.backend import AlsekBackend

    kind = tasks_framework().Task
    for value in values:
        if issubclass(type(value), kind):
            backend = value.get_backend()
            if isinstance(backend, AlsekBackend):
                yield (backend if alias is None else backend_named(alias)).store.task(value)


def backend_named(alias: str) -> Any:
    """Return the backend of an alias in TASKS.

    Raises:
        SettingsError: There is none, or it is none of Alsek's.
    """
    from alsek.django.backend import named_backend

    return named_backend(alias)


def close_connections_around_attempts(broker: Broker) -> None:
    """Give a broker the middleware that closes database connections, outermost, unless it has it."""
    if not any(isinstance(each, DatabaseConnections) for each in broker.middleware):
        broker.middleware = (DatabaseConnections(), *broker.middleware)
        broker.attempt_middleware = overriding(broker.middleware, "attempt")
