"""What a help text imports: modules are counted, since time depends on the machine."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from alsek.cli.command_table import COMMANDS
from alsek.cli.main import main

#: Runs the command with its arguments, then prints what it has imported.
PROGRAM = """
import sys
before = set(sys.modules)
from alsek.cli.main import main
try:
    main(sys.argv[1:], prog_name="alsek")
except SystemExit as end:
    assert not end.code
print("imported:", *sorted(set(sys.modules) - before))
"""

#: Of the library, what the door itself needs.
DOOR = {
    *("alsek", "alsek._missing", "alsek.version"),
    *("alsek.cli", "alsek.cli.main", "alsek.cli.command_table", "alsek.cli.json_asked"),
}


def imported_by(*arguments: str) -> set[str]:
    """The modules that the command imports in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_door_imports_no_command(option: str) -> None:
    """`alsek --help` imports click and nothing else that is not its own: no store, no pool, no task."""
    modules = imported_by(option)
    assert {name for name in modules if name.startswith("alsek")} == DOOR
    strangers = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert strangers == {"alsek", "click"}


@pytest.mark.parametrize("command", ["thread-pool", "process-pool"])
def test_the_help_of_a_command_imports_no_pool(command: str) -> None:
    """Nor does the help of a pool import the pool, or a store: its options and their defaults are enough."""
    modules = imported_by(command, "--help")
    own = {"alsek.cli.options", "alsek.cli.commands", f"alsek.cli.commands.{command.replace('-', '_')}"}
    own |= {"alsek.defaults", "alsek.core.worker.pool_settings", "alsek.core.worker", "alsek.core"}
    assert {name for name in modules if name.startswith("alsek")} == DOOR | own
    assert not modules & {"redis", "sqlite3", "asyncio", "multiprocessing", "apscheduler", "rich"}


def test_the_list_of_commands_is_true() -> None:
    """What the door says of each command is what the command says of itself, and there is no other."""
    context = click.Context(main)
    _, _, shown = main.get_help(context).partition("Commands:\n")
    said = dict(re.findall(r"^  (\S+)  +(.+)$", shown, re.MULTILINE))
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    assert said == {each.name: each.get_short_help_str() for each in commands if each is not None}
    assert {"process-pool", "thread-pool", "revoke", "submit"} < set(said)


@pytest.mark.parametrize("arguments", [(name,) for name in COMMANDS] + [("queue", "purge")], ids=" ".join)
def test_no_help_imports_a_store_or_rich(arguments: tuple[str, ...]) -> None:
    """The help of each command needs neither the store that it works on, nor what draws its tables."""
    modules = imported_by(*arguments, "--help")
    assert not modules & {"redis", "sqlite3", "asyncio", "multiprocessing", "apscheduler", "rich"}
