"""Values as JSON: what a command writes to stdout with ``--json``."""

from __future__ import annotations

import sys

import click

from alsek.core.inspection.plain import to_json


def show_json(value: object) -> None:
    """Write a value as one JSON document to stdout; on a terminal over several lines.

    Named tuples and data classes are objects of their attributes. What JSON does not know becomes text.
    """
    click.echo(to_json(value, 2 if sys.stdout.isatty() else None))
