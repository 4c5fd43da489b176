"""``alsek status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("status", short_help=COMMANDS["status"].summary)
@store_options
def status(place: Place, output: Output) -> None:
    """Show queues, workers, rates and dead letters on one screen.

    Of more queues or workers than fit, those with the most to do are shown.
    """
    from alsek.cli.screens.snapshot import AGED, take
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        snapshot = take(
            Inspector(store.broker), causes=True, aged=None if output.as_json else AGED, schedules=True
        )
    if output.as_json:
        output.json(snapshot.document())
        return
    # Imported here, because JSON needs no rich.
    from alsek.cli.screens.status_screen import status_parts

    console = output.console()
    output.show(*status_parts(snapshot, console.height if console.is_terminal else None))
