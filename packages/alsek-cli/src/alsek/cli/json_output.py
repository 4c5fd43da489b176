"""Values as JSON: what a command writes to stdout with ``--json``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import click

from alsek.core.short_repr import shown


def show_json(value: object) -> None:
    """Write a value as one JSON document to stdout; on a terminal over several lines."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(jsonable(value), indent=indent, allow_nan=False))


def jsonable(value: Any) -> Any:
    """Return a value in the types that JSON knows: a named tuple or data class as an object of its attributes.

    What JSON does not know becomes text: users' values may be of any type.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 1024 else shown(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {
            name if isinstance(name, str) else shown(name): jsonable(part) for name, part in value.items()
        }
    names: Any = getattr(value, "_fields", None)
    if isinstance(value, tuple) and names is not None:
        return {name: jsonable(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    return shown(value)
