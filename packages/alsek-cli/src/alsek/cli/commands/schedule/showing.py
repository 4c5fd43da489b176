"""``alsek schedule show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("show")
@click.argument("name")
@store_options
def show(name: str, place: Place, output: Output) -> None:
    """Show everything about the schedule NAME: its task and arguments, its trigger, its last and its next tick."""
    from alsek.cli.actions.schedules import no_schedule
    from alsek.cli.screens.schedule_tables import show_schedule
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        info = Inspector(store.broker).schedule(name)
        if info is None:
            raise no_schedule(store.backend, name)
        show_schedule(output, info, store.backend.messages.now())
