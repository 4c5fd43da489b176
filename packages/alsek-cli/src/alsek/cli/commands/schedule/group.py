"""``alsek schedule``: the group of its commands."""

from __future__ import annotations

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.commands.schedule.listing import listing
from alsek.cli.commands.schedule.pausing import pause, resume
from alsek.cli.commands.schedule.removing import remove
from alsek.cli.commands.schedule.running import run
from alsek.cli.commands.schedule.showing import show


@click.group("schedule", short_help=COMMANDS["schedule"].summary)
def schedule() -> None:
    """List, show, pause, resume, remove and run schedules: tasks that pools submit again and again."""


for _command in (listing, show, pause, resume, remove, run):
    schedule.add_command(_command)
