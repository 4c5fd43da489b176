"""Options of all commands that look into a store: which one, and whether to write JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from alsek.cli.json_asked import ask_for_json
from alsek.cli.options import option
from alsek.defaults import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from alsek.cli.stores import Place

F = TypeVar("F", bound=Callable[..., Any])


def _note_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    if value:
        ask_for_json(context)
    return value


json_option = option(
    "json",
    is_flag=True,
    is_eager=True,
    callback=_note_json,
    help="Write one JSON document to stdout, errors included.",
)

_STORE = (
    option(
        "store",
        "-s",
        metavar="URL",
        envvar="ALSEK_STORE",
        show_default="alsek.db in the working directory",
        help="redis://, rediss://, unix://, redis+sentinel://host:port,host:port/service/db, redis+cluster://,"
        " sqlite:///path, or the path of a SQLite file.",
    ),
    option(
        "namespace",
        "-n",
        envvar="ALSEK_NAMESPACE",
        show_default=DEFAULT_NAMESPACE,
        help="The namespace in that store.",
    ),
    option(
        "package",
        "-p",
        metavar="PACKAGE",
        envvar="ALSEK_PACKAGE",
        help="Use the broker of this package's tasks instead: a module, a dotted path, a package, a file or a folder.",
    ),
)


def store_options(function: F) -> F:
    """Add ``--store``, ``--namespace``, ``--package`` and ``--json``.

    The command gets `place` (:class:`~alsek.cli.stores.Place`) and `output` (:class:`~alsek.cli.output.Output`).
    """

    @wraps(function)
    def command(
        *, store: str | None, namespace: str | None, package: str | None, json: bool, **others: Any
    ) -> Any:
        # Imported here, because the help text needs no store.
        from alsek.cli.output import Output

        _log_errors_alone()
        place = _place(click.get_current_context(), store, namespace, package)
        return function(place=place, output=Output(json), **others)

    added: Any = command
    for add in reversed((*_STORE, json_option)):
        added = add(added)
    wrapped: F = added
    return wrapped


def _log_errors_alone() -> None:
    """Log no warnings, unless a package sets up logging: what a failure says at the end is all that is needed."""
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.ERROR)


def _place(context: click.Context, store: str | None, namespace: str | None, package: str | None) -> Place:
    """Return what the options name. What is written on the command line goes before the environment.

    Raises:
        click.UsageError: Both a store and a package are named.
    """
    from alsek.cli.stores import Place

    typed = {
        name
        for name in ("store", "namespace", "package")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if store is not None and package is not None:
        if {"store", "package"} <= typed:
            raise click.UsageError("--store and --package can't be combined: a package has its own store")
        if typed.isdisjoint({"store", "package"}):
            raise click.UsageError(
                "ALSEK_STORE and ALSEK_PACKAGE are both set, and a package has its own store: give --store or --package"
            )
        store, package = (store, None) if "store" in typed else (None, package)
    if package is not None and "namespace" in typed:
        raise click.UsageError("--namespace goes with --store: a package's broker has its own namespace")
    return Place(store, None if package is not None else namespace, package)
