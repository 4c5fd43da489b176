"""``alsek dead``: the group of its commands."""

from __future__ import annotations

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.commands.dead.listing import listing
from alsek.cli.commands.dead.purging import purge
from alsek.cli.commands.dead.replaying import replay
from alsek.cli.commands.dead.showing import show


@click.group("dead", short_help=COMMANDS["dead"].summary)
def dead() -> None:
    """List, show, replay and delete dead letters: messages that failed for good."""


for _command in (listing, show, replay, purge):
    dead.add_command(_command)
