"""``alsek schedule list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("list")
@store_options
def listing(place: Place, output: Output) -> None:
    """List the schedules: when each fires next, when it fired last, and whether pools fire it."""
    from alsek.cli.screens.schedule_tables import show_schedules
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        infos = Inspector(store.broker).schedules()
        show_schedules(output, infos, store.backend.messages.now(), store.where)
