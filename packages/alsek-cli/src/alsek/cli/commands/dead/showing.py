"""``alsek dead show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("show")
@click.argument("uuid")
@option("queue", "-q", metavar="QUEUE", help="The queue, if several have a dead letter of this uuid.")
@store_options
def show(uuid: str, queue: str | None, place: Place, output: Output) -> None:
    """Show everything about one dead letter: arguments, attempts, traceback, and what its task told and logged."""
    from alsek.cli.actions.lookup import dead_letters_of, no_dead_letter
    from alsek.cli.screens.message_sheet import show_message
    from alsek.cli.stores import opened
    from alsek.core.inspection.dead import dead_info
    from alsek.core.inspection.reported import reported

    with opened(place) as store:
        letters = dead_letters_of(store.backend, uuid, queue)
        if not letters:
            raise no_dead_letter(store.backend, uuid, queue)
        if len(letters) > 1:
            queues = ", ".join(repr(letter.queue) for letter in letters)
            raise click.UsageError(f"several queues have a dead letter {uuid!r} ({queues}): add --queue")
        messages, serializer = store.backend.messages, store.backend.serializer
        (report,) = messages.reports([uuid], lines=True)
        told, troubles = reported(report, serializer)
        show_message(output, dead_info(letters[0], serializer, troubles, **told), messages.now())
