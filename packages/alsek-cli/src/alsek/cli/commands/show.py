"""``alsek show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("show", short_help=COMMANDS["show"].summary)
@click.argument("uuid")
@store_options
def show(uuid: str, place: Place, output: Output) -> None:
    """Show everything about one message, in whatever state and queue it is.

    That is its arguments, attempts, last traceback and result, who runs it, what comes before and after it, and why it
    is not running. A result stays in the store.
    """
    from alsek.cli.failures import NotFoundError
    from alsek.cli.screens.message_sheet import show_message
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector

    with opened(place) as store:
        inspector = Inspector(store.broker)
        info = inspector.find(uuid)
        if info is None:
            raise NotFoundError(
                f"no message {uuid!r} is known in {store.where}, nor a status, result or dead letter of one"
            )
        why = None if output.as_json else inspector.why(uuid).text
        show_message(output, info, store.backend.messages.now(), why)
