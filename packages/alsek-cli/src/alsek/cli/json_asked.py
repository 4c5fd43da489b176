"""Whether a run of ``alsek`` is to write JSON: known to what tells of its failures."""

from __future__ import annotations

from typing import Final

import click

_KEY: Final = "alsek.json"


def ask_for_json(context: click.Context) -> None:
    """Note that this run of ``alsek`` is to write JSON."""
    context.meta[_KEY] = True


def is_json_asked(context: click.Context) -> bool:
    """Return True if :func:`ask_for_json` was called."""
    return bool(context.meta.get(_KEY))


def names_json(arguments: list[str]) -> bool:
    """Return True if ``--json`` is among the arguments of a command line, before any ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]
