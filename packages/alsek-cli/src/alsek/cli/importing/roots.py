"""Under which name a file or folder is imported: how its modules import one another tells.

A folder with an ``__init__.py`` is a package. One without may be a package too, which Python calls a namespace package,
or just a place where modules lie, as ``src`` is. It is a package if its modules import one another by its name, or
relatively to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """Where a file or folder stands among packages.

    Attributes:
        root: The folder that must be importable.
        name: The dotted name, seen from there; empty for the root itself.
    """

    root: Path
    name: str


def place_of_file(file: Path) -> Place:
    """Where a module's file stands."""
    root = _root(file.parent, [each for each in sorted(file.parent.iterdir()) if is_module(each)])
    return Place(root, ".".join(file.with_suffix("").relative_to(root).parts).removesuffix(".__init__"))


def place_of_folder(folder: Path, files: Iterable[Path]) -> Place:
    """Where a folder stands, given the modules in it and below it."""
    root = _root(folder, files)
    return Place(root, ".".join(folder.relative_to(root).parts))


def is_package(folder: Path) -> bool:
    """Whether a folder says that it is a package."""
    return (folder / "__init__.py").is_file()


def is_module(entry: Path) -> bool:
    """Whether this is a module that others could import."""
    return (
        entry.suffix == ".py"
        and entry.stem.isidentifier()
        and entry.stem not in ("__init__", "__main__")
        and entry.is_file()
    )


def parsed(file: Path) -> ast.Module | None:
    """A file as its statements; None if it can't be read, or is no Python."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _root(folder: Path, files: Iterable[Path]) -> Path:
    """The folder that must be importable for packages that begin at or above `folder`."""
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
    """Whether this is an import of something in `folder` as part of a package, in a file so many levels below."""
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
