"""``alsek check``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place

_COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command("check", short_help=COMMANDS["check"].summary)
@store_options
def check(place: Place, output: Output) -> None:
    """Look for what loses messages: whether the store can be reached, its version, persistence, memory and clock.

    With --package, also whether the package can be imported. Exit code 0 if there is no error, 1 if there is; warnings
    don't count.
    """
    from alsek.cli.actions.checking import findings

    found = list(findings(place))
    well = all(finding.level != "error" for finding in found)
    if output.as_json:
        output.json({"ok": well, "findings": found})
    else:
        width = max(len(finding.subject) for finding in found)
        for finding in found:
            output.line(
                f"{finding.level:8}{finding.subject:{width + 2}}{finding.text}", _COLOURS[finding.level]
            )
    if not well:
        sys.exit(1)
