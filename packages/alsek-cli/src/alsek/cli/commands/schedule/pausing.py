"""``alsek schedule pause`` and ``alsek schedule resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("pause")
@click.argument("name")
@option("by", metavar="WHO", show_default="user@host", help="Who pauses it, to be shown to others.")
@store_options
def pause(name: str, by: str | None, place: Place, output: Output) -> None:
    """Pause the schedule NAME: nothing is submitted until it is resumed. What it has submitted runs.

    It stays paused if a program or a deploy changes it.
    """
    from alsek.cli.actions.schedules import schedule_named
    from alsek.cli.actions.who import whoever
    from alsek.cli.stores import opened

    with opened(place) as store:
        changed = schedule_named(store, name).pause(whoever() if by is None else by)
        found = schedule_named(store, name)
    if output.as_json:
        output.json({"name": name, "paused": found.paused, "changed": changed, "by": found.paused_by})
    elif changed or found.paused_by is None:
        output.line(f"paused schedule {name!r}")
    else:
        output.line(f"schedule {name!r} was paused already, by {found.paused_by}")


@click.command("resume")
@click.argument("name")
@store_options
def resume(name: str, place: Place, output: Output) -> None:
    """Let the paused schedule NAME go on, with its next tick from now on. What was due meanwhile is left out."""
    from alsek.cli.actions.schedules import need_apscheduler, schedule_named
    from alsek.cli.failures import NotFoundError
    from alsek.cli.stores import opened
    from alsek.core.inspection.wording import coming

    with opened(place) as store:
        found = schedule_named(store, name)
        if found.paused:
            need_apscheduler("to resume a schedule")
        if not found.resume():
            raise NotFoundError(f"schedule {name!r} is not paused in {store.where}")
        next_at, now = found.next_at, store.backend.messages.now()
    if output.as_json:
        output.json({"name": name, "paused": False, "next_at": next_at})
    else:
        then = "it has no tick left" if next_at is None else f"next: {coming(next_at, now)}"
        output.line(f"resumed schedule {name!r}; {then}")
