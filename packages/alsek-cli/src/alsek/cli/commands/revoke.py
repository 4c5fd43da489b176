"""``alsek revoke``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("revoke", short_help=COMMANDS["revoke"].summary)
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@store_options
def revoke(uuids: tuple[str, ...], place: Place, output: Output) -> None:
    """Revoke messages: one that waits is not run, one that runs is stopped.

    A revoked message fails, and goes to the dead letters, as soon as a worker would have taken it.
    """
    from alsek.cli.actions.lookup import no_message
    from alsek.cli.failures import PartlyDoneError
    from alsek.cli.stores import opened
    from alsek.core.lookup import stored_of

    revoked: list[dict[str, str]] = []
    missing: list[str] = []
    with opened(place) as store:
        for uuid in dict.fromkeys(uuids):
            stored = stored_of(store.backend, uuid)
            if stored is None or not store.backend.messages.revoke(stored.queue, uuid):
                missing.append(str(no_message(store.backend, uuid)))
                continue
            revoked.append({"uuid": uuid, "queue": stored.queue, "state": stored.state})
    if not output.as_json:
        for each in revoked:
            output.line(f"revoked {each['uuid']} ({each['state']} in queue {each['queue']!r})")
    if missing:
        raise PartlyDoneError("; ".join(missing), {"revoked": revoked})
    if output.as_json:
        output.json(revoked)
