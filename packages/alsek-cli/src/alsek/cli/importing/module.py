"""Imports a module of the user's, which may raise any exception, exit, or have the name of another module."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import sysconfig
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType

from alsek.core.failure import describe_failure


class ModuleImportError(Exception):
    """A module was found, and its import raised an exception (the cause)."""


class NothingToImportError(Exception):
    """There is no module, package, file or folder of that name."""


class NameTakenError(Exception):
    """A file can't be imported, because its name is that of another module."""


def import_module(name: str, file: Path | None = None) -> ModuleType:
    """Import a module by its dotted name.

    Args:
        name: Its name on ``sys.path``.
        file: The file that it must come from; None for any.

    Raises:
        ModuleImportError: It raised an exception, which may be ``SystemExit`` or ``KeyboardInterrupt``.
        NameTakenError: The name is that of another module than the file.
        KeyboardInterrupt: The user has pressed Ctrl-C.
    """
    _check_name(name.partition(".")[0])
    with _interrupts() as interrupts:
        try:
            module = importlib.import_module(name)
        except BaseException as error:  # the user's module may raise anything
            if interrupts:
                raise KeyboardInterrupt from error
            text = describe_failure(error)["text"]
            raise ModuleImportError(
                f"{name!r} can't be imported: {type(error).__name__}{text and ': '}{text}{_hides(name)}"
            ) from error
    if file is not None and not _is_from(module, str(file)):
        raise _taken(file, name, module)
    return module


def find_spec(name: str) -> ModuleSpec | None:
    """Return the spec of the module with this dotted name, or None. Imports the packages above it.

    Raises:
        ModuleImportError: One of these raised an exception.
        NameTakenError: One of these has the name of another module.
    """
    parent, _, _ = name.rpartition(".")
    if parent:
        if find_spec(parent) is None:
            return None
        import_module(parent)
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None


def make_importable(folder: Path) -> None:
    """Put a folder before all others on Python's path, unless it is there already."""
    text = str(folder)
    if text not in sys.path:
        sys.path.insert(0, text)


@contextmanager
def _interrupts() -> Generator[list[int]]:
    """Record SIGINTs. Each raises KeyboardInterrupt as usual, which a module may also raise itself."""
    seen: list[int] = []
    usual = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield seen  # another handler is set, or signals go to another thread
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, usual)


def _check_name(top: str) -> None:
    """Check that a module does not have the name of another one that is loaded, or of one of Python's own.

    Raises:
        NameTakenError: It has.
    """
    spec = PathFinder.find_spec(top)  # does not look at the loaded modules
    if spec is None or not spec.has_location or spec.origin is None:
        return
    loaded = sys.modules.get(top)
    if loaded is not None and not _is_from(loaded, spec.origin):
        raise _taken(Path(spec.origin), top, loaded)
    if top in sys.stdlib_module_names and not _is_pythons(spec.origin):
        raise _taken(Path(spec.origin), top, None)


def _is_from(module: ModuleType, file: str) -> bool:
    own = getattr(module, "__file__", None)
    try:
        return isinstance(own, str) and Path(own).samefile(file)
    except OSError:
        return False


def _is_pythons(file: str) -> bool:
    folders = [os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    real = Path(os.path.realpath(file))
    return any(real.is_relative_to(folder) for folder in folders) and "site-packages" not in real.parts


def _taken(file: Path, name: str, other: ModuleType | None) -> NameTakenError:
    where = getattr(other, "__file__", None)
    whose = f"another module ({where})" if isinstance(where, str) else "one of Python's own modules"
    thing = f"folder {file.parent}" if file.name == "__init__.py" else f"file {file}"
    return NameTakenError(f"{thing} can't be imported: {name!r} is the name of {whose}. Rename it")


def _hides(name: str) -> str:
    """Return a note for the error text if the module hides an installed one of the same name; else an empty text."""
    top = name.partition(".")[0]
    spec = PathFinder.find_spec(top)
    if spec is None or spec.origin is None:
        return ""
    folder = Path(spec.origin).parent
    folder = folder.parent if Path(spec.origin).name == "__init__.py" else folder
    other = PathFinder.find_spec(
        top, [place for place in sys.path if Path(place or ".").resolve() != folder.resolve()]
    )
    if other is None or not other.has_location:
        return ""
    return f" ({spec.origin} hides {other.origin}, which has the same name: rename it if that one is needed)"
