"""``alsek schedule remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("remove")
@click.argument("name")
@option("yes", "-y", is_flag=True, help="Don't ask.")
@store_options
def remove(name: str, yes: bool, place: Place, output: Output) -> None:
    """Delete the schedule NAME. The messages that it has submitted stay.

    One that the code of a task declares comes back with the next pool that starts.
    """
    from alsek.cli.actions.confirming import confirmed
    from alsek.cli.actions.schedules import no_schedule, schedule_named
    from alsek.cli.stores import opened

    with opened(place) as store:
        found = schedule_named(store, name)
        if not yes:
            confirmed(f"Delete schedule {name!r} of task {found.task!r} in {store.where}?")
        if not found.remove():
            raise no_schedule(store.backend, name)
    if output.as_json:
        output.json({"name": name, "removed": True, "declared": found.declared})
    else:
        output.line(f"removed schedule {name!r}")
