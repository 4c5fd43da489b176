"""``alsek queue``: list, pause, resume and empty queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.group("queue", short_help=COMMANDS["queue"].summary)
def queue() -> None:
    """List, pause, resume and empty queues."""


@queue.command("purge")
@click.argument("name")
@option("yes", "-y", is_flag=True, help="Don't ask.")
@store_options
def purge(name: str, yes: bool, place: Place, output: Output) -> None:
    """Delete all messages that wait in the queue NAME.

    What runs goes on, and dead letters stay: `alsek dead purge` deletes those. Messages that are submitted meanwhile
    may stay as well. Interrupted, it says how many it has deleted.
    """
    from alsek.cli.confirming import confirmed
    from alsek.cli.failures import NotFoundError
    from alsek.cli.long_runs import Words, run_over
    from alsek.cli.stores import opened

    with opened(place) as store:
        messages = store.backend.messages
        count = messages.count(name)
        if not count and not messages.dead_count(name):
            raise NotFoundError(f"there is no queue {name!r} in {store.where}")
        if count:
            confirmed(f"Delete up to {count:,} messages of queue {name!r} in {store.where}?", yes)
        purged = run_over(
            (stored.uuid for stored in messages.browse(name) if stored.state != "claimed"),
            lambda uuid: messages.remove(name, uuid),
            Words("messages", "purged"),
        )
        left = messages.count(name)
    if output.as_json:
        output.json({"queue": name, "purged": purged, "left": left})
    else:
        output.line(f"purged {purged:,} messages of queue {name!r}; {left:,} are left")
