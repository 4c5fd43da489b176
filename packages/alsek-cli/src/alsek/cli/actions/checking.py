"""Looks at a package and at a store, and never fails: what goes wrong is a finding."""

from __future__ import annotations

from collections.abc import Iterator

import click

from alsek.cli.failures import EXPLAINED, explanation
from alsek.cli.importing.module import ModuleImportError
from alsek.cli.stores import Opened, Place, opened
from alsek.core.inspection.schedules import schedules_of
from alsek.core.inspection.wording import counted, listed
from alsek.exceptions import AlsekError
from alsek.storage.backends.findings import Finding


def findings(place: Place) -> Iterator[Finding]:
    """Yield what is found of the package, if one is named, and of the store."""
    try:
        with opened(place) as store:
            if store.tasks is not None:
                yield _package(place, store)
            yield from _store(store)
    except EXPLAINED as error:
        if isinstance(error, ModuleImportError):  # its traceback is all that helps
            click.echo(explanation(error), err=True)
        yield Finding("store" if place.package is None else "package", "error", _sentence(error))


def _package(place: Place, store: Opened) -> Finding:
    assert store.tasks is not None
    names = sorted({task.name for task in store.tasks})
    tasks = f"{counted(len(names), 'task')}: {', '.join(names)}"
    return Finding("package", "ok", f"{place.package!r} can be imported; it defines {tasks}.")


def _store(store: Opened) -> Iterator[Finding]:
    try:
        yield from store.backend.examine()
        yield from _schedules(store)
    except AlsekError as error:
        yield Finding("store", "error", _sentence(error))


def _schedules(store: Opened) -> Iterator[Finding]:
    """Yield what hinders schedules, if there are any."""
    schedules = schedules_of(store.backend)
    orphaned = [each.name for each in schedules if each.orphaned]
    overdue = [each.name for each in schedules if each.overdue]
    if orphaned:
        yield Finding(
            "schedules",
            "warning",
            f"{counted(len(orphaned), 'schedule')} declared by no pool that runs: {listed(orphaned)}. Start "
            "a pool that has it, or `alsek schedule remove` it.",
        )
    if overdue:
        yield Finding(
            "schedules",
            "warning",
            f"{counted(len(overdue), 'schedule')} due, and fired by no pool: {listed(overdue)}. A pool fires schedules "
            "if it runs on this store and has APScheduler.",
        )
    if schedules and not orphaned and not overdue:
        yield Finding("schedules", "ok", f"{counted(len(schedules), 'schedule')}; none is overdue.")


def _sentence(error: BaseException) -> str:
    text = str(error)
    return text if text.endswith(".") else f"{text}."
