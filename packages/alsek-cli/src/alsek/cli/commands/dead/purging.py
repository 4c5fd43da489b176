"""``alsek dead purge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.commands.dead.choice import Choice, choice_options
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("purge")
@choice_options
@option("dry_run", "-d", is_flag=True, help="Say what would be deleted, and change nothing.")
@option("yes", "-y", is_flag=True, help="Don't ask.")
@store_options
def purge(choice: Choice, dry_run: bool, yes: bool, place: Place, output: Output) -> None:
    """Delete dead letters for good.

    Those are meant that are there now. Interrupted, it says how many it has deleted.
    """
    from alsek.cli.actions.confirming import confirmed
    from alsek.cli.actions.dead_changes import dry_run_of, purged
    from alsek.cli.stores import opened
    from alsek.core.inspection.wording import counted

    with opened(place) as store:
        if dry_run:
            dry_run_of(output, "purged", choice.infos(store.backend))
            return
        if not yes:
            count = sum(1 for _ in choice.infos(store.backend))
            if count:
                confirmed(f"Delete {counted(count, 'dead letter')} in {store.where}?")
        done = purged(store.backend, choice.infos(store.backend))
    if output.as_json:
        output.json({"purged": done})
    else:
        output.line(f"purged {counted(done, 'dead letter')}")
