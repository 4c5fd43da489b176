"""All modules of a package or folder.

A folder with an ``__init__.py`` is a package: all that is in it is imported. A folder without one may be a package as
well, and may hold scripts that must not be run. So what such folders hold, below the one that was asked for, is
imported only if it looks as if it defined tasks.
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

#: Folders without ``__init__.py`` that hold nothing to import.
_NEVER: Final = frozenset({"__pycache__", "build", "dist", "node_modules", "test", "tests"})


class Scan:
    """One scan: no file is imported twice, whatever symbolic links lead to it."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def package(self, module: ModuleType) -> Iterator[ModuleType]:
        """A module and, if it is a package, all that is in it. ``__main__`` is a program, not a module to import."""
        yield module
        yield from self._below(f"{module.__name__}.", list(getattr(module, "__path__", ())))

    def folder(self, folder: Path) -> Iterator[ModuleType]:
        """All modules and packages of a folder that is on Python's path, itself no package."""
        yield from self._below("", [str(folder)])

    def _below(self, prefix: str, places: Sequence[str]) -> Iterator[ModuleType]:
        places = [place for place in places if self._is_new(place)]
        for info in pkgutil.iter_modules(places):
            # In a folder that is no package, a file may have any name, and is a program then.
            if info.name == "__main__" or not (prefix or info.ispkg or info.name.isidentifier()):
                continue
            file = _file(info)
            if file is None or self._is_new(str(file)):
                yield from self.package(import_module(f"{prefix}{info.name}", file))
        for place in places:
            yield from self._undeclared(prefix, Path(place))

    def _undeclared(self, prefix: str, place: Path) -> Iterator[ModuleType]:
        """What is in folders without ``__init__.py`` that `place` has."""
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
    """The files of modules in a folder, and in those below it that may be packages."""
    seen = {folder.resolve()}
    pending = [folder]
    while pending:
        place = pending.pop()
        yield from (entry for entry in sorted(place.iterdir()) if is_module(entry))
        for below in _subfolders(place):
            if (real := below.resolve()) not in seen:  # or a link leads in a circle
                seen.add(real)
                pending.append(below)


def _subfolders(place: Path) -> list[Path]:
    """The folders in a folder that may be packages."""
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        names = sorted(entry.name for entry in entries if entry.name.isidentifier() and entry.is_dir())
    folders = [place / name for name in names if name not in _NEVER or is_package(place / name)]
    return [folder for folder in folders if not (folder / "pyvenv.cfg").exists()]


def _may_define_tasks(file: Path) -> bool:
    """Whether a function is decorated in a file, or something named ``task`` is called there.

    True for a file that can't be parsed: its import tells why.
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
    """Where a module is, as far as that can be told before it is imported."""
    if not isinstance(info.module_finder, FileFinder):
        return None
    spec = info.module_finder.find_spec(info.name)
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin is not None else None
