"""``alsek move``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import option
from alsek.cli.store_options import json_option
from alsek.defaults import DEFAULT_NAMESPACE
from alsek.storage.backends.locations import MOST_PARTITIONS

if TYPE_CHECKING:
    from alsek.core.moving.report import MoveReport


F = TypeVar("F", bound=Callable[..., Any])


def _store_option(name: str, parameter: str, text: str) -> Callable[[F], F]:
    variable = f"ALSEK_MOVE_{name.removeprefix('--').upper()}"
    return click.option(name, parameter, metavar="URL", required=True, envvar=variable, help=text)


def _namespace_option(name: str, of: str) -> Callable[[F], F]:
    return option(name, show_default=DEFAULT_NAMESPACE, help=f"The namespace in {of}.")


@click.command("move", short_help=COMMANDS["move"].summary)
@_store_option("--from", "source", "The store that is emptied: a url, or the path of a SQLite file.")
@_store_option("--to", "target", "The store that is filled. A SQLite file is created if it isn't there.")
@_namespace_option("from_namespace", "the store that is emptied")
@_namespace_option("to_namespace", "the store that is filled")
@option(
    "to_partitions",
    type=click.IntRange(1, MOST_PARTITIONS),
    metavar="N",
    show_default="as many as it has, or none",
    help="How many partitions the namespace has that is filled; for one that is new.",
)
@option(
    "abandon",
    is_flag=True,
    help="Forget a move to another store that has not ended. What that one had on the way is staged there.",
)
@json_option
def move(
    source: str,
    target: str,
    from_namespace: str | None,
    to_namespace: str | None,
    to_partitions: int | None,
    abandon: bool,
    json: bool,
) -> None:
    """Move all that waits, dead letters, results, statuses, values and schedules to another store.

    Stop all pools and producers of the store that is emptied before. If the move is interrupted or killed, run it
    again: it goes on, and nothing is lost or there twice. What can't be moved stays, and is named; the exit code
    is 1 then.
    """
    from contextlib import ExitStack

    from alsek.cli.actions.interruptions import Interruptions
    from alsek.cli.failures import PartlyDoneError, exit_code
    from alsek.cli.output import Output
    from alsek.cli.progress import Progress
    from alsek.cli.stores import open_backend
    from alsek.core.clock import real_time as time
    from alsek.core.moving.move import Move
    from alsek.exceptions import AlsekError

    with ExitStack() as stack:
        filled = open_backend(target, to_namespace, create=True, partitions=to_partitions)
        opened = (open_backend(source, from_namespace), filled)
        out, into = (backend.durable() for backend in opened)
        for backend in (*opened, out, into):
            stack.callback(backend.close)
        interruptions = stack.enter_context(Interruptions())
        progress = stack.enter_context(Progress(sys.stderr, "moved"))

        def check(report: MoveReport) -> None:
            if interruptions.seen:
                raise PartlyDoneError(f"interrupted: {_sum(report)}; run it again to go on", facts_of(report))

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            check(run.report)

        run = Move(out, into, abandon=abandon, sleep=sleep)

        def after_each(report: MoveReport) -> None:
            progress.show(report.moved.total())
            check(report)

        run.on_progress(after_each)
        try:
            report = run.run()
        except PartlyDoneError:
            raise
        except AlsekError as error:
            if not run.report.moved.total():
                raise
            raise PartlyDoneError(
                f"{error} ({_sum(run.report)} before; run it again to go on)",
                facts_of(run.report),
                exit_code(error),
            ) from error
    _tell(Output(json), report)


def facts_of(report: MoveReport) -> dict[str, object]:
    """Return what a move has done, for JSON."""
    from alsek.storage.backends.copies import CopyKind

    return {
        "moved": {kind.value: report.moved[kind] for kind in CopyKind},
        "resumed": report.resumed,
        "left": [{"what": left.kind.value, "key": left.key, "reason": left.reason} for left in report.left],
        "left_count": report.left_count,
        "held": report.held,
    }


def _sum(report: MoveReport) -> str:
    moved = [f"{number:,} {kind.value}" for kind, number in report.moved.items() if number]
    return f"{', '.join(moved) or 'nothing'} moved"


def _tell(output: Any, report: MoveReport) -> None:
    from alsek.cli.failures import PartlyDoneError

    if not output.as_json:
        output.line(f"{_sum(report)}{' (an earlier run was resumed)' if report.resumed else ''}")
        for left in report.left:
            output.line(f"left: {left.kind.value}: {left.key}: {left.reason}")
    if not report.complete:
        held = f", {report.held:,} messages held by workers" if report.held else ""
        raise PartlyDoneError(
            f"{report.left_count:,} things were not moved{held}: see why, and run it again", facts_of(report)
        )
    if output.as_json:
        output.json(facts_of(report))
