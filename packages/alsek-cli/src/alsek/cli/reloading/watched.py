"""Which files `--reload` watches: those of the package, without importing any."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from alsek.cli.importing.module import NothingToImportError, make_importable
from alsek.cli.importing.roots import place_of_file

#: Folders that hold other people's files. Hidden ones are skipped, too.
_FOREIGN: Final = frozenset({"__pycache__", "node_modules", "site-packages"})

#: The folders to watch for a target that stands for several packages, as that of a framework does.
FOLDERS: Final[dict[str, list[Path]]] = {}


def watched_paths(target: str) -> list[Path]:
    """Return the folders, or the file, to watch for a module, a dotted path, a package, a file or a folder.

    Of a package it is the folder of its topmost package. Of a module that is in no package it is the folder that it is
    in, because the modules beside it may be imported by it.

    Raises:
        NothingToImportError: There is no such module, file or folder.
    """
    if target in FOLDERS:
        return FOLDERS[target]
    path = Path(target)
    if target.endswith(".py") or "/" in target:
        if not path.exists():
            raise NothingToImportError(f"{path} does not exist (looked for it in {Path.cwd()})")
        path = path.resolve()
        if path.is_dir():
            return [path]
        root, name = place_of_file(path)
        top, _, below = name.partition(".")
        return [root / top if below else path.parent]
    make_importable(Path.cwd())
    return _of_module(target.strip(".").partition(".")[0]) or _of_folder(path, target)


def _of_module(top: str) -> list[Path]:
    """Return what to watch of a topmost module; nothing if there is none."""
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    if not spec.has_location or spec.origin is None:
        return []
    file = Path(spec.origin).resolve()
    return [file if _FOREIGN.intersection(file.parts) else file.parent]


def _of_folder(path: Path, target: str) -> list[Path]:
    if path.is_dir():
        return [path.resolve()]
    raise NothingToImportError(
        f"there is no module or package {target!r} in {Path.cwd()} or on Python's path, and no file or folder of"
        " that name"
    )


def python_files(changed: Iterable[str], roots: Sequence[Path]) -> list[str]:
    """Return those of these files that are Python's, relative to the watched folder that they are in."""
    names = set()
    for file in map(Path, changed):
        root = next((root for root in roots if file.is_relative_to(root)), file.parent)
        relative = file.relative_to(root) if file != root else Path(file.name)
        if relative.suffix == ".py" and not any(
            part in _FOREIGN or part.startswith(".") for part in relative.parts[:-1]
        ):
            names.add(str(relative))
    return sorted(names)
