"""``alsek dead replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.commands.dead.choice import Choice, choice_options
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("replay")
@choice_options
@option("dry_run", "-d", is_flag=True, help="Say what would be replayed, and change nothing.")
@store_options
def replay(choice: Choice, dry_run: bool, place: Place, output: Output) -> None:
    """Put dead letters back into their queues, as if they had just been submitted.

    Those are meant that are there now; what fails meanwhile is left. Interrupted, it says how many it has replayed:
    the others stay dead letters, and the same command goes on with them.
    """
    from alsek.cli.actions.dead_changes import dry_run_of, replayed
    from alsek.cli.stores import opened
    from alsek.core.inspection.wording import counted

    with opened(place) as store:
        if dry_run:
            dry_run_of(output, "replayed", choice.infos(store.backend))
            return
        done, skipped = replayed(store.broker, choice.infos(store.backend))
    if output.as_json:
        output.json({"replayed": done, "skipped": skipped})
    else:
        gone = f"; left: {skipped:,}, gone meanwhile or with a uuid in use" if skipped else ""
        output.line(f"replayed {counted(done, 'dead letter')}{gone}")
