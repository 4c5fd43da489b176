"""Finding the tasks and worker hooks that a name or path stands for."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from alsek.core.hooks import WorkerHook
from alsek.core.lifecycle import AnyTask
from alsek.core.task import Task
from alsek.exceptions import NoTasksFoundError


class Found(NamedTuple):
    """What some modules define, each thing once."""

    tasks: list[AnyTask]
    hooks: list[WorkerHook]


class ModuleImportError(Exception):
    """A module was found, and raised when it was imported (the cause)."""


class NothingToImportError(Exception):
    """There is no module, package, file or folder of that name."""


def find(target: str) -> Found:
    """The tasks and hooks of a module, a dotted path, a package (recursively), a file or a folder (recursively).

    The working directory is importable.

    Raises:
        NothingToImportError: There is nothing of that name.
        ModuleImportError: Importing it raised.
        NoTasksFoundError: It defines no task.
    """
    _importable(Path.cwd())
    modules = list(_modules(target))
    tasks: dict[int, AnyTask] = {}
    hooks: dict[int, WorkerHook] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Task):
                tasks[id(value)] = value
            elif isinstance(value, WorkerHook):
                hooks[id(value)] = value
    if not tasks:
        names = ", ".join(module.__name__ for module in modules[:5]) + (", …" if len(modules) > 5 else "")
        raise NoTasksFoundError(
            f"{target!r} defines no task (imported: {names}): decorate a function with @task(broker) at the top level"
        )
    return Found(list(tasks.values()), list(hooks.values()))


def _modules(target: str) -> Iterator[ModuleType]:
    path = Path(target)
    if target.endswith(".py") or "/" in target:
        yield from _at_path(path)
        return
    name = target.strip(".")
    if _exists(name):
        yield from _walk(_import(name))
    elif path.is_dir():
        yield from _at_path(path)
    else:
        raise NothingToImportError(
            f"there is no module or package {target!r} in {Path.cwd()} or on Python's path, and no file or folder of"
            " that name"
        )


def _at_path(path: Path) -> Iterator[ModuleType]:
    """A file or folder: imported under its dotted name, seen from the folder above its topmost package."""
    if not path.exists():
        raise NothingToImportError(f"{path} does not exist (looked for it in {Path.cwd()})")
    path = path.resolve()
    if path.is_file():
        root = _root(path.parent)
        _importable(root)
        yield _import(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
        return
    if (path / "__init__.py").is_file():
        root = _root(path)
        _importable(root)
        yield from _walk(_import(".".join(path.relative_to(root).parts)))
        return
    _importable(path)
    for entry in sorted(path.iterdir()):
        if entry.suffix == ".py" and entry.stem.isidentifier():
            yield _import(entry.stem)
        elif entry.is_dir() and (entry / "__init__.py").is_file():
            yield from _walk(_import(entry.name))


def _root(folder: Path) -> Path:
    """The folder that must be importable for packages that begin at or above `folder`."""
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def _walk(module: ModuleType) -> Iterator[ModuleType]:
    """A module and, if it is a package, all that is in it. ``__main__`` is a program, not a module to import."""
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if info.name != "__main__":
            yield from _walk(_import(f"{module.__name__}.{info.name}"))


def _exists(name: str) -> bool:
    """Whether there is a module of this dotted name; imports the packages above it."""
    parent, _, _ = name.rpartition(".")
    if parent:
        if not _exists(parent):
            return False
        _import(parent)
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return name in sys.modules


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # the user's module may raise anything
        raise ModuleImportError(f"{name!r} can't be imported: {type(error).__name__}: {error}") from error


def _importable(folder: Path) -> None:
    text = str(folder)
    if text not in sys.path:
        sys.path.insert(0, text)
