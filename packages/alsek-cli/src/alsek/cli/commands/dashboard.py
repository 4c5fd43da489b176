"""``alsek dashboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import option
from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("dashboard", short_help=COMMANDS["dashboard"].summary)
@option(
    "host",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="The address to listen on. Any other needs a --token.",
)
@option(
    "port", type=click.IntRange(0, 65_535), default=8080, help="The port to listen on; 0 for any free one."
)
@option("read_only", is_flag=True, help="Change nothing: show no forms, and refuse what they would send.")
@option(
    "token",
    metavar="TEXT",
    show_default="none: only 127.0.0.1 is answered",
    help="What a user must give to log in. Others on this machine see a command line: use the variable.",
)
@option(
    "mask",
    multiple=True,
    metavar="NAME",
    show_default="none",
    help="Hide the arguments of this name; several with commas, or given several times. Arguments by position are"
    " told apart with --package.",
)
@store_options
def dashboard(
    host: str,
    port: int,
    read_only: bool,
    token: str | None,
    mask: tuple[str, ...],
    place: Place,
    output: Output,
) -> None:
    """Serve the dashboard for a browser, until Ctrl-C. Needs the package alsek-dashboard.

    Without --token, it listens on this machine alone, and answers only under the names of this machine for itself.
    """
    from alsek.cli.actions.serving_dashboard import serve_dashboard
    from alsek.cli.stores import opened

    if token is None and host not in ("127.0.0.1", "localhost", "::1"):
        raise click.UsageError(f"--host {host} lets others in: add a --token (or set ALSEK_DASHBOARD_TOKEN)")

    def ready(url: str) -> None:
        if output.as_json:
            output.json({"url": url})
        else:
            output.line(f"dashboard of {where} at {url}")

    with opened(place) as store:
        where = store.where
        serve_dashboard(store, host, port, ready, read_only=read_only, token=token, mask=_names(mask))


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in texts that have one or several, with commas between."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())
