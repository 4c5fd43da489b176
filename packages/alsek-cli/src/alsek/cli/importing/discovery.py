"""Finds the tasks and worker hooks that a module or path defines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeGuard

from alsek.cli.importing.module import (
    NameTakenError,
    NothingToImportError,
    find_spec,
    import_module,
    make_importable,
)
from alsek.cli.importing.roots import is_package, place_of_file, place_of_folder
from alsek.cli.importing.scanning import Scan, modules_below
from alsek.core.hooks import WorkerHook
from alsek.core.task import AnyTask, Task
from alsek.exceptions import NoTasksFoundError


class Found(NamedTuple):
    """The tasks and hooks that some modules define, each once."""

    tasks: list[AnyTask]
    hooks: list[WorkerHook]


def find(target: str) -> Found:
    """Return the tasks and hooks of a module, a dotted path, a package (recursively), a file or a folder (recursively).

    The working directory is importable.

    Raises:
        NothingToImportError: There is no module, file or folder of that name.
        ModuleImportError: Importing it raised an exception.
        NameTakenError: The name is that of another module, or a file was imported under two names.
        NoTasksFoundError: It defines no task.
    """
    make_importable(Path.cwd())
    modules = list(_modules(target))
    tasks: dict[int, AnyTask] = {}
    hooks: dict[int, WorkerHook] = {}
    for module in modules:
        for value in vars(module).values():
            if _is_task(value):
                tasks[id(value)] = value
            elif _is_hook(value):
                hooks[id(value)] = value
    if not tasks:
        names = ", ".join(module.__name__ for module in modules[:5]) + (", …" if len(modules) > 5 else "")
        raise NoTasksFoundError(
            f"{target!r} defines no task (imported: {names or 'nothing'}): decorate a function with @task(broker) at"
            " the top level"
        )
    found = list(tasks.values())
    _check_names(found)
    return Found(found, list(hooks.values()))


def _is_task(value: object) -> TypeGuard[AnyTask]:
    # By type(), because reading the `__class__` of a lazy object may raise any exception. So below.
    return issubclass(type(value), Task)


def _is_hook(value: object) -> TypeGuard[WorkerHook]:
    return issubclass(type(value), WorkerHook)


def _check_names(tasks: Sequence[AnyTask]) -> None:
    """Refuse a task that exists twice, because its file was imported under two names."""
    known: dict[str, tuple[str, Any]] = {}
    for task in tasks:
        code = getattr(task.function, "__code__", None)
        module = str(getattr(task.function, "__module__", ""))
        other, its_code = known.setdefault(task.name, (module, code))
        if other != module and code is not None and code == its_code and _same_place(code, its_code):
            raise NameTakenError(
                f"{code.co_filename} was imported twice, as {other!r} and as {module!r}, so task {task.name!r} exists"
                " twice: import it by the same name everywhere, or name the package on the command line"
            )


def _same_place(code: Any, other: Any) -> bool:
    return bool(os.path.realpath(code.co_filename) == os.path.realpath(other.co_filename))


def _modules(target: str) -> Iterator[ModuleType]:
    path = Path(target)
    if target.endswith(".py") or "/" in target:
        return _at_path(path)
    name = target.strip(".")
    spec = find_spec(name) if name else None
    if spec is not None and not _is_folder(spec, path):
        return Scan().package(import_module(name))
    if path.is_dir():
        return _at_path(path)
    raise NothingToImportError(
        f"there is no module or package {target!r} in {Path.cwd()} or on Python's path, and no file or folder of"
        " that name"
    )


def _is_folder(spec: ModuleSpec, path: Path) -> bool:
    """Whether a name is only that of a folder without ``__init__.py``, which its path names as well."""
    places = [] if spec.has_location else list(spec.submodule_search_locations or ())
    return path.is_dir() and {os.path.realpath(place) for place in places} == {str(path.resolve())}


def _at_path(path: Path) -> Iterator[ModuleType]:
    """Import a file, or all modules in a folder."""
    if not path.exists():
        raise NothingToImportError(f"{path} does not exist (looked for it in {Path.cwd()})")
    # The name of a symbolic link is kept: other modules import it by that.
    path = path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name
    if path.is_file():
        return iter([_at_file(path)])
    root, name = place_of_folder(path, modules_below(path))
    make_importable(root)
    if not name:
        return Scan().folder(path)
    return Scan().package(import_module(name, path / "__init__.py" if is_package(path) else None))


def _at_file(path: Path) -> ModuleType:
    if path.suffix != ".py":
        raise NothingToImportError(f"{path} is no Python file: its name must end in .py")
    if "." in path.stem:
        raise NothingToImportError(f"{path} can't be imported: there is a dot in its name. Rename it")
    root, name = place_of_file(path)
    make_importable(root)
    return import_module(name, path)
