"""Writes ``docs/cli.md`` from what click knows of the commands: ``python -m tests.unit.cli.reference``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from alsek.cli.main import main
from tests.packaging.monorepo import ROOT

PAGE = ROOT / "docs" / "cli.md"

HEAD = """\
# Commands

All commands of `alsek`, as `alsek COMMAND --help` shows them. How they are used is in [operating](operating.md); pools
are in [workers](workers.md). This page is made by `hatch run reference`.

Options are spelled with `_` or with `-`. Each has a variable in the environment; what is typed goes before it.

Exit codes: 0 done; 1 failed or not found; 2 wrong usage; 3 the store can't be reached.
"""


def page() -> str:
    """The whole page."""
    context = click.Context(main, info_name="alsek", **main.context_settings)
    parts = [HEAD]
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts += _sections(command, name, context)
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            yield from _sections(below, each, context)
        return
    yield f"## {context.command_path}\n"
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"```text\n{' '.join([context.command_path, *pieces])} [OPTIONS]\n```\n"
    yield _prose(inspect.cleandoc(command.help or ""))
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    rows = [_row(option, context) for option in options if "--help" not in option.opts]
    if rows:
        yield "\n".join(["| option | default | variable | |", "|---|---|---|---|", *rows, ""])


def _prose(text: str) -> str:
    """The help of a command: paragraphs, and examples where it says so (a backspace)."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            example = inspect.cleandoc("\n" + paragraph.removeprefix("\b\n"))
            paragraphs.append(f"```shell\n{example}\n```")
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs) + "\n"


def _row(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
    names = ", ".join(f"`{name}`" for name in option.opts) + (f" `{value.strip()}`" if value else "")
    told = option.show_default if isinstance(option.show_default, str) else option.default
    default = "" if option.is_flag or not isinstance(told, str | int) else str(told)
    own = f"{context.auto_envvar_prefix}_{str(option.name).upper()}"
    variable = option.envvar if isinstance(option.envvar, str) else own
    cells = (names, default, f"`{variable}`", option.help or "")
    return " | ".join(["", *(cell.replace("|", "\\|") for cell in cells), ""]).strip()


if __name__ == "__main__":
    PAGE.write_text(page())
