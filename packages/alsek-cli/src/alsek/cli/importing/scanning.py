"""Imports all modules of a package or folder.

A folder with an ``__init__.py`` is a package: all its modules are imported. A folder without one may be a package as
well, and may hold scripts that must not be run. So below the folder that was named, modules in such folders are
imported only if they seem to define tasks.
"""

from __future__ import annotations

import ast
import os
import pkgutil
from collections.abc import Iterator, Sequence
from importlib.machinery import FileFinder
from pathlib import Path
from types import ModuleType
from typing import Final

from alsek.cli.importing.module import import_module
from alsek.cli.importing.roots import is_module, is_package, parsed

#: Names of folders that are skipped if they have no ``__init__.py``.
_NEVER: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "test", "tests"})


class Scan:
    """One scan. It imports no file twice, even if symbolic links lead to it."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def package(self, module: ModuleType) -> Iterator[ModuleType]:
        """Yield a module and, if it is a package, all modules in it except ``__main__``, which is a program."""
        yield module
        yield from self._below(f"{module.__name__}.", list(getattr(module, "__path__", ())))

    def folder(self, folder: Path) -> Iterator[ModuleType]:
        """Yield all modules and packages of a folder that is on Python's path and is no package itself."""
        yield from self._below("", [str(folder)])

    def _below(self, prefix: str, places: Sequence[str]) -> Iterator[ModuleType]:
        places = [place for place in places if self._is_new(place)]
        for info in pkgutil.iter_modules(places):
            # In a folder that is no package, a file whose name is no identifier is a program.
            if info.name == "__main__" or not (prefix or info.ispkg or info.name.isidentifier()):
                continue
            file = _file(info)
            if file is None or self._is_new(str(file)):
                yield from self.package(import_module(f"{prefix}{info.name}", file))
        for place in places:
            yield from self._undeclared(prefix, Path(place))

    def _undeclared(self, prefix: str, place: Path) -> Iterator[ModuleType]:
        """Yield the modules in folders of `place` without ``__init__.py``."""
        for folder in _subfolders(place):
            if is_package(folder) or not self._is_new(str(folder)):
                continue
            name = f"{prefix}{folder.name}."
            for entry in sorted(folder.iterdir()):
                if entry.name.isidentifier() and is_package(entry):
                    file = entry / "__init__.py"
                    if self._is_new(str(file)):
                        yield from self.package(import_module(f"{name}{entry.name}", file))
                elif is_module(entry) and _may_define_tasks(entry) and self._is_new(str(entry)):
                    yield import_module(f"{name}{entry.stem}", entry)
            yield from self._undeclared(name, folder)

    def _is_new(self, place: str) -> bool:
        real = os.path.realpath(place)
        if real in self._seen:
            return False
        self._seen.add(real)
        return True


def modules_below(folder: Path) -> Iterator[Path]:
    """Yield the files of modules in a folder, and in the folders below it that may be packages."""
    seen = {folder.resolve()}
    pending = [folder]
    while pending:
        place = pending.pop()
        yield from (entry for entry in sorted(place.iterdir()) if is_module(entry))
        for below in _subfolders(place):
            if (real := below.resolve()) not in seen:  # a symbolic link may lead in a circle
                seen.add(real)
                pending.append(below)


def _subfolders(place: Path) -> list[Path]:
    """Return the folders in a folder that may be packages."""
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        names = sorted(entry.name for entry in entries if entry.name.isidentifier() and entry.is_dir())
    folders = [place / name for name in names if name not in _NEVER or is_package(place / name)]
    return [folder for folder in folders if not (folder / "pyvenv.cfg").exists()]


def _may_define_tasks(file: Path) -> bool:
    """Whether a file has a decorated function, or calls something named ``task``.

    True for a file that can't be parsed: its import raises the error.
    """
    tree = parsed(file)
    return tree is None or any(_is_definition(node) for node in _outside_classes(tree))


def _is_definition(node: ast.AST) -> bool:
    match node:
        case ast.FunctionDef(decorator_list=[_, *_]) | ast.AsyncFunctionDef(decorator_list=[_, *_]):
            return True
        case ast.Call(func=ast.Name(id="task") | ast.Attribute(attr="task")):
            return True
        case _:
            return False


def _outside_classes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef):
            yield from _outside_classes(child)


def _file(info: pkgutil.ModuleInfo) -> Path | None:
    """Return the file of a module, if it is known before the import."""
    if not isinstance(info.module_finder, FileFinder):
        return None
    spec = info.module_finder.find_spec(info.name)
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin is not None else None
