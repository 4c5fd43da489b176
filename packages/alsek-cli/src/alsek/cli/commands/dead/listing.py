"""``alsek dead list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.commands.dead.choice import Choice, filter_options
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("list")
@filter_options
@option(
    "group", "-g", is_flag=True, help="One line for each task, exception and cause, the most frequent first."
)
@store_options
def listing(choice: Choice, group: bool, place: Place, output: Output) -> None:
    """List the dead letters: queue by queue, the oldest first in each."""
    from alsek.cli.screens.dead_tables import show_groups, show_infos
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        if group:
            filters = choice.filters(store.backend)
            show_groups(output, store, Inspector(store.broker).dead(group=True, **filters)[: choice.limit])
        else:
            show_infos(output, store, list(choice.infos(store.backend)))
