"""``alsek top``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.durations import duration
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("top", short_help=COMMANDS["top"].summary)
@option("interval", metavar="DURATION", type=duration, default="1s", help="How often to look.")
@store_options
def top(interval: int, place: Place, output: Output) -> None:
    """Show queues and workers live: q quits, the arrows choose a queue, p pauses or resumes it.

    The fullest queues come first. With --json it is a single look, as `alsek status --json` gives it.
    """
    from alsek.cli.stores import opened

    if output.as_json:
        from alsek.cli.screens.snapshot import take
        from alsek.core.inspection.inspector import Inspector

        with opened(place) as store:
            output.json(take(Inspector(store.broker), causes=True).document())
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("this needs a terminal; alsek status shows the same once")
    from alsek.cli.screens.live import run_live

    console = output.console()
    if console.is_dumb_terminal:
        raise click.UsageError(
            f"a terminal of kind TERM={os.environ['TERM']} can't be drawn on; alsek status shows the same once"
        )
    with opened(place) as store, suppress(KeyboardInterrupt):
        run_live(store.backend, console, max(100, interval))
