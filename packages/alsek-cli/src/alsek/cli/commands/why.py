"""``alsek why``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place

#: The codes of a message that runs or has done so.
_WELL: Final = ("running", "succeeded")


@click.command("why", short_help=COMMANDS["why"].summary)
@click.argument("uuid")
@store_options
def why(uuid: str, place: Place, output: Output) -> None:
    """Say in one sentence why a message is not running; or that it is, where and since when; or how it ended.

    Exit code 0 if it runs or has succeeded, 1 otherwise.
    """
    from alsek.cli.failures import NotFoundError
    from alsek.cli.stores import opened
    from alsek.core.inspection.inspector import Inspector
    from alsek.core.inspection.plain import as_dict

    with opened(place) as store:
        answer = Inspector(store.broker).why(uuid)
    if output.as_json:
        output.json({**as_dict(answer), "error": answer.text} if answer.code == "unknown" else answer)
    elif answer.code == "unknown":
        raise NotFoundError(answer.text.rstrip("."))
    else:
        output.line(answer.text)
    if answer.code not in _WELL:
        sys.exit(1)
