"""The ``alsek`` command: a group whose commands are imported only when they are needed."""

from __future__ import annotations

import importlib

import click

from alsek.cli.command_table import COMMANDS
from alsek.version import __version__


class _Commands(click.Group):
    """The commands. Each is imported when it is run: `alsek --help` needs no pool."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name.replace("_", "-"))
        if entry is None:
            return None
        module, _, name = entry.source.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        # Each option of each command has a variable: ALSEK_THREAD_POOL_N_THREADS.
        "auto_envvar_prefix": "ALSEK",
    },
)
# A variable ALSEK_VERSION, as images set, is not this option.
@click.version_option(__version__, prog_name="alsek", allow_from_autoenv=False)
def main() -> None:
    """Alsek: a distributed task queue.

    Bring a pool of workers online for the tasks that a module, a package, a file or a folder defines:

    \b
        alsek thread-pool my_tasks

    Exit codes: 0 stopped in good order; 1 failed; 2 wrong usage, or nothing to import or run; 3 the store can't be
    reached.
    """
