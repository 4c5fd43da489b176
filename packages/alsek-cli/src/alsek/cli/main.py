"""The ``alsek`` command: a group whose commands are imported only when they are needed."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.json_asked import ask_for_json, is_json_asked, names_json
from alsek.version import __version__


class _Commands(click.Group):
    """The commands. Each is imported when it is run: `alsek --help` needs no pool."""

    def main(self, *args: Any, **extra: Any) -> Any:
        if (
            sys.stdout is None
        ):  # it is closed, as a daemon's may be: nobody reads, and the exit code still counts
            sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        try:
            return super().main(*args, **extra)
        except OSError as error:
            from alsek.cli.full_output import tell_if_stdout_is_full

            tell_if_stdout_is_full(error)
            raise

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        as_json = names_json(args)
        try:
            context = super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            _tell(error, as_json)
            raise
        if as_json:  # known before the command has read its options, which may fail
            ask_for_json(context)
        return context

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            _tell(error, is_json_asked(ctx))
            raise

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


def _tell(error: BaseException, as_json: bool) -> None:
    # Imported here, because the help text needs none of what it explains.
    from alsek.cli.failures import tell

    tell(error, as_json)


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

    See into the store that they are in, and steer what is there:

    \b
        alsek status --package my_tasks

    Exit codes: 0 done, or stopped in good order; 1 failed, or not found; 2 wrong usage, or nothing to import or run;
    3 the store can't be reached.
    """
