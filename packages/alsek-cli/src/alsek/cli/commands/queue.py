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


@queue.command("list")
@store_options
def listing(place: Place, output: Output) -> None:
    """List the queues that hold messages or dead letters, are paused, or have had work in the last minute."""
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        infos = Inspector(store.broker).queues()
        where = store.where
    if output.as_json:
        output.json(infos)
    elif not infos:
        output.line(f"no queues in {where}")
    else:
        # Imported here, because JSON needs no rich.
        from alsek.cli.screens.status_tables import queue_table

        output.show(queue_table(infos, len(infos)))


@queue.command("pause")
@click.argument("name")
@option("by", metavar="WHO", show_default="user@host", help="Who pauses it, to be shown to others.")
@store_options
def pause(name: str, by: str | None, place: Place, output: Output) -> None:
    """Pause the queue NAME: it takes messages in, and hands none out until it is resumed. What runs goes on.

    A queue may be paused that holds nothing yet.
    """
    from alsek.cli.actions.who import whoever
    from alsek.cli.stores import opened
    from alsek.core.identifiers import check_name

    check_name("queue", name)
    with opened(place) as store:
        changed = store.backend.messages.pause(name, whoever() if by is None else by)
        (tally,) = store.backend.messages.tallies([name])
    found = tally.paused
    if output.as_json:
        facts = {"by": None, "since": None} if found is None else {"by": found.by, "since": found.since}
        output.json({"queue": name, "paused": found is not None, "changed": changed, **facts})
    elif changed or found is None:
        output.line(f"paused queue {name!r}; waiting in it: {tally.ready + tally.delayed + tally.waiting:,}")
    else:
        output.line(f"queue {name!r} was paused already, by {found.by}")


@queue.command("resume")
@click.argument("name")
@store_options
def resume(name: str, place: Place, output: Output) -> None:
    """Let the paused queue NAME hand out messages again."""
    from alsek.cli.failures import NotFoundError
    from alsek.cli.stores import opened

    with opened(place) as store:
        if not store.backend.messages.resume(name):
            raise NotFoundError(f"queue {name!r} is not paused in {store.where}")
    if output.as_json:
        output.json({"queue": name, "paused": False})
    else:
        output.line(f"resumed queue {name!r}")


@queue.command("purge")
@click.argument("name")
@option("yes", "-y", is_flag=True, help="Don't ask.")
@store_options
def purge(name: str, yes: bool, place: Place, output: Output) -> None:
    """Delete all messages that wait in the queue NAME.

    What runs goes on, and dead letters stay: `alsek dead purge` deletes those. Messages that are submitted meanwhile
    may stay as well. Interrupted, it says how many it has deleted.
    """
    from alsek.cli.actions.confirming import confirmed
    from alsek.cli.actions.long_runs import Words, run_over
    from alsek.cli.failures import NotFoundError
    from alsek.cli.stores import opened
    from alsek.core.inspection.wording import counted

    with opened(place) as store:
        messages = store.backend.messages
        count = messages.count(name)
        if not count and not messages.dead_count(name) and messages.tallies([name])[0].paused is None:
            raise NotFoundError(f"there is no queue {name!r} in {store.where}")
        if count and not yes:
            what = counted(count, "message")
            confirmed(f"Delete up to {what} of queue {name!r} in {store.where}?")
        purged = run_over(
            (stored.uuid for stored in messages.browse(name) if stored.state != "claimed"),
            lambda uuid: messages.remove(name, uuid, waiting=True),
            Words("messages", "purged"),
        )
        left = messages.count(name)
    if output.as_json:
        output.json({"queue": name, "purged": purged, "left": left})
    else:
        output.line(f"purged {counted(purged, 'message')} of queue {name!r}; left: {left:,}")
