"""Values that JSON has no form for, as values that it has: *tagged*, so that they come back as they were.

A tagged value is an object with one more key than its content: ``{"$alsek": kind, "value": content}``.

=================== ====================================================================================
kind                content
=================== ====================================================================================
``datetime``        ISO 8601 text; behind line feeds the name of its time zone, and its fold, if it has any
``time``            likewise
``date``            ISO 8601 text
``timedelta``       days, seconds, microseconds
``uuid``            text
``decimal``         text
``bytes``           base64 text
``set``             its elements
``frozenset``       its elements
``path``            text
``dict``            pairs of key and value: of a dict with keys that JSON would change or refuse, or with
                    the key ``$alsek`` itself
=================== ====================================================================================

Dataclasses, enums and pydantic models are written as plain data, without a tag: the annotations of the function that
receives them say what they are (:mod:`alsek.core.arguments.building`). Tuples come back as lists.
"""

from __future__ import annotations

import dataclasses
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

#: The key of a tagged value that has its kind.
TAG: Final = "$alsek"

Moment = TypeVar("Moment", datetime, time)

_VALUE: Final = "value"
_PLAIN: Final = (str, int, float, type(None))


def tagged(value: Any) -> Any:
    """Return a value in which JSON has a form for everything.

    Raises:
        TypeError: There is no form for a part of it.
        RecursionError: It contains itself.
    """
    if isinstance(value, Enum):
        return tagged(value.value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return _tagged_dict(value)
    if isinstance(value, (list, tuple)):
        return [tagged(each) for each in value]
    for kinds, kind, content in _FORMS:
        if isinstance(value, kinds):
            return {TAG: kind, _VALUE: content(value)}
    return tagged(_as_data(value))


def untagged(value: Any) -> Any:
    """Return the value of which :func:`tagged` made this.

    Raises:
        ValueError: A tag is of a kind that this version does not know, or its content can't be read.
    """
    if isinstance(value, list):
        return [untagged(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {TAG, _VALUE}:
        return {key: untagged(each) for key, each in value.items()}
    kind, content = value[TAG], value[_VALUE]
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise ValueError(f"a value is tagged as {kind!r}, which this version of Alsek does not know")
    try:
        return read(content)
    except (TypeError, ValueError, KeyError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"a value that is tagged as {kind!r} can't be read: {error}") from error


def _tagged_dict(value: Mapping[Any, Any]) -> Any:
    if TAG not in value and all(type(key) is str or isinstance(key, _PLAIN) for key in value):
        # As JSON does it, and as it always was: 1 becomes "1".
        return {key: tagged(each) for key, each in value.items()}
    return {TAG: "dict", _VALUE: [[tagged(key), tagged(each)] for key, each in value.items()]}


def _as_data(value: Any) -> Any:
    """Return an object of a class as plain data: the fields of a dataclass, or of a pydantic model."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        data = dump(value)
        if not isinstance(data, type(value)):
            return data
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _moment_text(value: datetime | time) -> str:
    """Return a moment as ISO 8601 text; behind line feeds its time zone and its fold, if it has any."""
    zone = value.tzinfo
    name = zone.key if isinstance(zone, ZoneInfo) else None
    text = value.isoformat() if name is None else value.replace(tzinfo=None).isoformat()
    return f"{text}\n{name or ''}\n{value.fold}" if name or value.fold else text


def _read_moment(kind: type[Moment], text: str) -> Moment:
    text, _, more = text.partition("\n")
    moment = kind.fromisoformat(text)
    if not more:
        return moment
    name, _, fold = more.partition("\n")
    return moment.replace(tzinfo=ZoneInfo(name) if name else moment.tzinfo, fold=int(fold))


def _read_dict(pairs: list[list[Any]]) -> dict[Any, Any]:
    return {_hashable(untagged(key)): untagged(value) for key, value in pairs}


def _hashable(value: Any) -> Any:
    """Return a list as a tuple: what was a key or an element of a set can only have been a tuple."""
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _read_elements(content: list[Any]) -> list[Any]:
    return [_hashable(untagged(each)) for each in content]


#: In this order: a datetime is a date.
_FORMS: Final[tuple[tuple[Any, str, Callable[[Any], Any]], ...]] = (
    (datetime, "datetime", _moment_text),
    (date, "date", date.isoformat),
    (time, "time", _moment_text),
    (timedelta, "timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    (UUID, "uuid", str),
    (Decimal, "decimal", str),
    ((bytes, bytearray, memoryview), "bytes", lambda value: b64encode(bytes(value)).decode("ascii")),
    (set, "set", lambda value: [tagged(each) for each in value]),
    (frozenset, "frozenset", lambda value: [tagged(each) for each in value]),
    (PurePath, "path", str),
)

_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "datetime": partial(_read_moment, datetime),
    "date": date.fromisoformat,
    "time": partial(_read_moment, time),
    "timedelta": lambda parts: timedelta(*parts),
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": lambda text: b64decode(text, validate=True),
    "set": lambda content: set(_read_elements(content)),
    "frozenset": lambda content: frozenset(_read_elements(content)),
    "path": Path,
    "dict": _read_dict,
}
