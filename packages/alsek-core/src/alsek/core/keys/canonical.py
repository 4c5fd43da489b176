"""Values as text that is the same for equal values, in each process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from alsek.core.keys.texts import digest
from alsek.core.short_repr import shown
from alsek.exceptions import MessageRevokedError, SerializationError, TaskTimeoutError
from alsek.storage.payload_limit import without_limit
from alsek.storage.serialization import JsonSerializer, Serializer, dump

#: Their text in Python says what they are, and is short.
_SCALARS: Final = (str, int, float, type(None), UUID, Decimal, timedelta, PurePath)

#: The keys of a tagged value: see :mod:`alsek.storage.tagged_values`.
_TAGGED: Final = {"$alsek", "value"}


def text_of_value(value: Any, serializer: Serializer) -> str:
    """Return the text that stands for one argument in a key: ``7``, ``acme``, ``2027-01-31``; else JSON.

    Raises:
        SerializationError: The serializer can't take the value.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, _SCALARS):
        return _written(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return _json_or_digest(value, serializer)


def _written(value: Any) -> str:
    """Return a value as Python writes it; an integer of thousands of digits, or one of the user's own, may refuse."""
    try:
        return str(value)
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside; the value may be fine
    except Exception as error:
        what = type(value).__name__
        raise SerializationError(f"{shown(value)} ({what}) can't be written in a key: {error}") from error


def text_of_arguments(values: Mapping[str, Any], serializer: Serializer) -> str:
    """Return the text that stands for all arguments of a call: JSON.

    It is a digest if the serializer writes something else than JSON: then a store is to show nothing of the arguments.

    Raises:
        SerializationError: The serializer can't take a value.
    """
    text = _json_or_digest(values, serializer)
    return text if isinstance(without_limit(serializer), JsonSerializer) else digest(text)


def _json_or_digest(value: Any, serializer: Serializer) -> str:
    """Return JSON that does not depend on the order in dicts and sets.

    What JSON can't say is left to the serializer; of what that writes, the digest is taken.
    """
    # Imported here, because it brings time zones along, which few programs need.
    from alsek.storage.tagged_values import tagged

    try:
        data = json.loads(json.dumps(tagged(value)))
    except (TypeError, ValueError, RecursionError):
        return digest(dump(_innermost(serializer), value))
    return _dumped(_in_order(data))


def _in_order(data: Any) -> Any:
    """Return JSON data with the elements of sets, and the pairs of tagged dicts, in the order of their JSON."""
    if isinstance(data, list):
        return [_in_order(each) for each in data]
    if not isinstance(data, dict):
        return data
    ordered = {key: _in_order(each) for key, each in data.items()}
    if ordered.keys() == _TAGGED and ordered["$alsek"] in ("set", "frozenset", "dict"):
        ordered["value"] = sorted(ordered["value"], key=_dumped)
    return ordered


def _dumped(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _innermost(serializer: Serializer) -> Serializer:
    """Return the serializer in what wraps one: encrypted data is never the same twice."""
    inner = getattr(serializer, "serializer", None)
    return _innermost(inner) if isinstance(inner, Serializer) else serializer
