"""Finds the dotted name by which a file or folder is imported.

A folder with an ``__init__.py`` is a package. A folder without one may be a namespace package, or just contain modules,
as ``src`` does. It is taken for a package if its modules import one another by its name, or by relative imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """The dotted name of a file or folder, and where it begins.

    Attributes:
        root: The folder that must be importable.
        name: The dotted name below it; empty for the root itself.
    """

    root: Path
    name: str


def place_of_file(file: Path) -> Place:
    """Return the place of a module's file."""
    root = _root(file.parent, [each for each in sorted(file.parent.iterdir()) if is_module(each)])
    return Place(root, ".".join(file.with_suffix("").relative_to(root).parts).removesuffix(".__init__"))


def place_of_folder(folder: Path, files: Iterable[Path]) -> Place:
    """Return the place of a folder, given the modules in it and below it."""
    root = _root(folder, files)
    return Place(root, ".".join(folder.relative_to(root).parts))


def is_package(folder: Path) -> bool:
    """Whether a folder has an ``__init__.py``."""
    return (folder / "__init__.py").is_file()


def is_module(entry: Path) -> bool:
    """Whether this is the file of a module that others can import."""
    return (
        entry.suffix == ".py"
        and entry.stem.isidentifier()
        and entry.stem not in ("__init__", "__main__")
        and entry.is_file()
    )


def parsed(file: Path) -> ast.Module | None:
    """Return the syntax tree of a file; None if it can't be read or parsed."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _root(folder: Path, files: Iterable[Path]) -> Path:
    """Return the folder that must be on Python's path for packages that begin at or above `folder`."""
    if not is_package(folder) and folder.name.isidentifier() and _is_namespace_package(folder, files):
        folder = folder.parent
    while is_package(folder) and folder.parent != folder:
        folder = folder.parent
    return folder


def _is_namespace_package(folder: Path, files: Iterable[Path]) -> bool:
    return any(
        _takes_for_package(node, folder, len(file.relative_to(folder).parts))
        for file in files
        for node in ast.walk(parsed(file) or ast.Module([], []))
    )


def _takes_for_package(node: ast.AST, folder: Path, depth: int) -> bool:
    """Whether this statement, in a file `depth` levels below `folder`, imports from `folder` as from a package."""
    match node:
        case ast.ImportFrom(level=level) if level:
            return level >= depth
        case ast.ImportFrom(module=str(module), names=names):
            return any(_is_in(folder, f"{module}.{alias.name}") for alias in names)
        case ast.Import(names=names):
            return any(_is_in(folder, alias.name) for alias in names)
        case _:
            return False


def _is_in(folder: Path, name: str) -> bool:
    first, *rest = name.split(".")
    if first != folder.name or not rest:
        return False
    return (folder / f"{rest[0]}.py").is_file() or (folder / rest[0]).is_dir()
