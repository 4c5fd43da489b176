"""What an inspection shows, as plain values and as JSON. Keys are the names of the attributes; times are Unix ms."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from alsek.core.short_repr import shown

#: Values may be nested this deep; what is deeper becomes text.
_DEEPEST: Final = 100
#: Python refuses to write out much longer integers.
_MOST_BITS: Final = 1024


def as_dict(info: Any) -> dict[str, Any]:
    """Return one info, such as a :class:`~alsek.core.inspection.queues.QueueInfo`, as a dict of plain values."""
    answer = plain(info)
    if not isinstance(answer, dict):
        raise TypeError(f"{shown(info)} is no info of an inspector")
    return answer


def to_json(value: Any, indent: int | None = None) -> str:
    """Return one info, a list of them, or None as a JSON document."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value in the types that JSON knows. Others, which a user's serializer may make, become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MOST_BITS else shown(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | Decimal | UUID | PurePath):
        return str(value)
    if depth > _DEEPEST:
        return shown(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), depth + 1) for field in fields(value)}
    if isinstance(value, Mapping):
        return {
            name if isinstance(name, str) else shown(name): plain(part, depth + 1)
            for name, part in value.items()
        }
    names: Any = getattr(value, "_fields", None)
    if isinstance(value, tuple) and names is not None:
        return {name: plain(part, depth + 1) for name, part in zip(names, value, strict=False)}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part, depth + 1) for part in value]
    return shown(value)
