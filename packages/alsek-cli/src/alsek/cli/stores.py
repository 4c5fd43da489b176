"""Opens the store that a command is to work on: named by a url or a path, or that of a package's broker."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alsek.cli.failures import NotFoundError, PackageMissingError
from alsek.core.broker import Broker
from alsek.defaults import DEFAULT_NAMESPACE
from alsek.exceptions import TaskDefinitionError, ValidationError
from alsek.storage.backends.abstract import Backend

if TYPE_CHECKING:
    from alsek.core.task import AnyTask

#: The file that is used if no store and no package are named, in the working directory.
DEFAULT_STORE: Final = "alsek.db"

_REDIS: Final = (
    *("redis://", "rediss://", "unix://"),
    *("redis+sentinel://", "rediss+sentinel://", "redis+cluster://", "rediss+cluster://"),
)
_SQLITE: Final = "sqlite://"


class Place(NamedTuple):
    """Where a command is to work: a store and a namespace in it, or a package.

    Attributes:
        store: A url, or the path of a SQLite file; None for :data:`DEFAULT_STORE`.
        namespace: The namespace in that store; None for the default.
        package: The package whose broker is used instead.
    """

    store: str | None = None
    namespace: str | None = None
    package: str | None = None


class Opened(NamedTuple):
    """An opened store.

    Attributes:
        broker: A broker on it.
        tasks: The package's tasks; None if no package was named.
    """

    broker: Broker
    tasks: list[AnyTask] | None

    @property
    def backend(self) -> Backend:
        """The backend of the broker."""
        return self.broker.backend

    @property
    def where(self) -> str:
        """The store, for people."""
        return self.backend.describe()


@contextmanager
def opened(place: Place) -> Generator[Opened]:
    """Open a store for the time of this context. Nothing is created.

    Raises:
        NotFoundError: There is no such file.
        ValidationError: The store or the namespace can't be understood.
        PackageMissingError: What this kind of store needs is not installed.
        TaskDefinitionError: The tasks of the package have several brokers, or one that no other process can use.
    """
    if place.package is not None:
        tasks = tasks_of(place.package)
        store = Opened(_broker_of(place.package, tasks), tasks)
    else:
        store = Opened(Broker(open_backend(place.store, place.namespace)), None)
    try:
        yield store
    finally:
        store.backend.close()


def open_backend(
    store: str | None, namespace: str | None = None, *, create: bool = False, partitions: int | None = None
) -> Backend:
    """Return a backend on a store. A server is not asked yet.

    Args:
        store: As in :class:`Place`.
        namespace: As in :class:`Place`.
        create: Let a SQLite file be created that is not there.
        partitions: How many the namespace has; None for as many as its store knows of, or none.

    Raises:
        NotFoundError: There is no such file, and none is to be created.
        ValidationError: The store or the namespace can't be understood, or it can't have partitions.
        PackageMissingError: What this kind of store needs is not installed.
    """
    namespace = DEFAULT_NAMESPACE if namespace is None else namespace
    if store is not None and store.startswith(_REDIS):
        # If no number is given, it asks the server for it when it is first used.
        return _made("redis", "RedisBackend", store, namespace, partitions=partitions)
    if partitions is not None:
        raise ValidationError(
            f"partitions={partitions}: a SQLite file has no partitions, only a store on Redis"
        )
    path = DEFAULT_STORE if store is None else _path(store)
    if not create and not Path(path).expanduser().exists():
        raise NotFoundError(_no_file(store, path))
    return _made("sqlite", "SQLiteBackend", path, namespace)


def tasks_of(package: str) -> list[AnyTask]:
    """Return the tasks that a package defines. What it prints while it is imported goes to stderr.

    Raises:
        NothingToImportError, ModuleImportError, NameTakenError, NoTasksFoundError: As :func:`find`.
    """
    # Imported here, because most commands need no tasks.
    from alsek.cli.importing.discovery import find

    with redirect_stdout(sys.stderr):
        return find(package).tasks


def _broker_of(package: str, tasks: list[AnyTask]) -> Broker:
    first = tasks[0].broker
    others = [task for task in tasks if not task.broker.backend.same_store(first.backend)]
    if others:
        raise TaskDefinitionError(
            f"the tasks of {package!r} have several stores ({first.backend.describe()} and "
            f"{others[0].broker.backend.describe()}): name the one that is meant with --store"
        )
    if not first.backend.shared:
        raise TaskDefinitionError(
            f"the store of {package!r} is {first.backend.describe()}, which no other process can look into"
        )
    return first


def _made(home: str, kind: str, place: str, namespace: str, **options: Any) -> Backend:
    try:
        module = import_module(f"alsek.storage.backends.{home}")
    except ModuleNotFoundError as error:
        if error.name != f"alsek-{home}":
            raise
        raise PackageMissingError(
            f"a store of this kind needs a package that is not installed: pip install alsek-{home}"
        ) from error
    backend = getattr(module, kind)(place, namespace=namespace, **options)
    assert isinstance(backend, Backend)
    return backend


def _path(store: str) -> str:
    """Return the path that a store names.

    Raises:
        ValidationError: It is the url of something else.
    """
    if store.startswith(_SQLITE):
        rest = store.removeprefix(_SQLITE)
        if not rest.startswith("/") or rest == "/":
            raise ValidationError(
                f"store {store!r}: must be sqlite:///path, or with four slashes if the path begins at the root"
            )
        return rest[1:]
    scheme, colon, _ = store.partition("://")
    if colon:
        raise ValidationError(
            f"store {scheme}://…: no store has this scheme; give one of {', '.join(_REDIS)}, sqlite:///path, or the "
            "path of a SQLite file"
        )
    if not store:
        raise ValidationError("store '': must be a url, or the path of a SQLite file")
    return store


def _no_file(store: str | None, path: str) -> str:
    here = Path.cwd() / Path(path).expanduser()
    if store is None:
        return (
            f"no store is named, and there is no {here}: give --store URL or --package PACKAGE "
            "(or ALSEK_STORE, ALSEK_PACKAGE)"
        )
    note = ""
    if store.startswith(_SQLITE) and Path("/", path).exists():
        note = f"; for /{path} write {_SQLITE}//{path}, with four slashes"
    return f"there is no store {here}{note}"
