"""The header of a stored message: what a store keeps of it beside the payload, each field declared once.

Records, stores and ``docs/keys.md`` follow these declarations, and tests hold them to it:

* :data:`LINE` are the fields that every store reads and changes itself. Redis keeps them as a line of text, in this
  order; SQLite as columns; memory as attributes.
* :data:`TAIL` are the other fields. A store keeps them as one text, the *tail*, and knows none of them: ``;`` and
  ``key=value`` for each field that is not at its default. A field that is added here needs no change of any store, and
  no new record version. A field that this version does not know stays in the tail when the record is rewritten.

Which form old records have, and what versions that run side by side do, is told in
``docs/decisions/0011-one-rule-book.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from alsek.storage.backends.records.group_place import GroupPlace
from alsek.storage.backends.records.keys import UniqueKey, limits_of_text, limits_text

#: The versions of a record that this version of Alsek reads. A store sets a record of another one aside among the
#: dead letters.
READABLE_VERSIONS: Final = (1, 2)

#: The version that is written: the lowest that can handle the record. Version 1 carries a tail through unread.
RECORD_VERSION: Final = 1

#: Who changes a field after the message was made: nobody but the producer that submits it, the store by itself, or a
#: worker's step.
Writer: TypeAlias = Literal["producer", "store", "step"]


class Kind(Enum):
    """What the values of a field are."""

    NUMBER = "a whole number >= 0"
    DURATION = "milliseconds; 0 for none, -1 for ever"
    FLAG = "0 or 1"
    WISH = "any, thread, process, any-async or thread-async"
    WORD = "text without separators"
    NAME = "the name of a queue"
    TEXT = "text"
    BYTES = "UTF-8 text, as bytes"
    UNIQUE = "`[es][xrp]<window>:<key>`: held until it ended or started; existing, raise or replace"
    LIMITS = "`c<amount>:<key>` or `r<amount>/<per>:<key>` for each, with commas"
    PLACE = "`<group>:<number>`"


class Field(NamedTuple):
    """One field of the header.

    Attributes:
        name: As in the records, or as the stores call it.
        kind: What its values are.
        default: The value of a new message for which nothing else was said.
        writer: Who may change it.
        meaning: For ``docs/keys.md``.
        key: Its name in the tail: letters and digits. Empty for a field of the line.
    """

    name: str
    kind: Kind
    default: Any
    writer: Writer
    meaning: str
    key: str = ""


#: What every store reads, in the order of the wire. The record version stands before them.
LINE: Final = (
    Field(
        "wish",
        Kind.WISH,
        "any",
        "producer",
        "the kind of pool that may take it, and whether its task is an `async def`",
    ),
    Field("priority", Kind.NUMBER, 0, "producer", "lower goes first"),
    Field("arrival", Kind.NUMBER, 0, "store", "its place among equal priorities"),
    Field(
        "losses",
        Kind.NUMBER,
        0,
        "step",
        "how often a worker died or lost its lease while it held the message",
    ),
    Field("expiry", Kind.NUMBER, 0, "store", "until when it may be ready: Unix milliseconds; 0 for no end"),
    Field("ttl", Kind.NUMBER, 0, "store", "how long it may be ready; 0 for no end, and after a retry"),
    Field(
        "status_ttl", Kind.DURATION, 0, "producer", "how long its statuses are kept; 0 if it is not tracked"
    ),
    Field("revoked", Kind.FLAG, 0, "store", "whether it was revoked"),
    Field("request", Kind.WORD, "-", "store", "the call that submitted it"),
    Field("queue", Kind.NAME, "", "producer", "where it waits"),
)

#: What stores keep and don't know, but for the last five: a store looks for ``;<key>=`` of these in a tail that is not
#: empty when the message changes its state. The attempt state (all that a step writes) is that of the last retry.
TAIL: Final = (
    Field("retries", Kind.NUMBER, 0, "step", "how often it was retried", "r"),
    Field("retry_delay", Kind.NUMBER, None, "step", "the delay that the last retry asked for", "d"),
    Field("updated_at", Kind.NUMBER, 0, "step", "when it was last retried: Unix milliseconds", "u"),
    Field("last_error", Kind.BYTES, b"", "step", "what ended the last attempt, as JSON", "e"),
    Field("unique", Kind.UNIQUE, None, "producer", "the key that it holds alone", "k"),
    Field("limits", Kind.LIMITS, (), "producer", "what must admit it, in the order of their ids", "l"),
    Field("group", Kind.PLACE, None, "producer", "its place in a group", "g"),
    Field("joins", Kind.WORD, "", "producer", "the group whose callback it is", "j"),
    Field("reported", Kind.FLAG, 0, "store", "whether anything is kept of reports on it", "o"),
)

#: What the tail has of a message on which something is kept of reports. No value of another field can have it.
REPORTED: Final = ";o=1"

#: What the tail has of a message with limits. No value of another field can have it.
LIMITED: Final = ";l="

_BY_KEY: Final = {field.key: field for field in TAIL}
_STEP_FIELDS: Final = tuple(field for field in TAIL if field.writer == "step")
_PRODUCER_FIELDS: Final = tuple(field for field in TAIL if field.writer == "producer")


def _escaped(text: str) -> str:
    """`text` without what ends a field, a tail or a line."""
    return text.replace("%", "%25").replace("|", "%7C").replace(";", "%3B").replace("\n", "%0A")


def _unescaped(text: str) -> str:
    return text.replace("%0A", "\n").replace("%3B", ";").replace("%7C", "|").replace("%25", "%")


def _to_text(field: Field, value: Any) -> str:
    if field.kind is Kind.BYTES:
        return _escaped(bytes(value).decode("utf-8", "backslashreplace"))
    if field.kind is Kind.FLAG:
        return "1" if value else "0"
    if field.kind in (Kind.UNIQUE, Kind.PLACE):
        return _escaped(value.text())
    if field.kind is Kind.LIMITS:
        return _escaped(limits_text(value))
    return _escaped(str(value))


def _from_text(field: Field, text: str) -> Any:
    match field.kind:
        case Kind.BYTES:
            return _unescaped(text).encode()
        case Kind.TEXT | Kind.WORD | Kind.NAME | Kind.WISH:
            return _unescaped(text)
        case Kind.FLAG:
            return text == "1"
        case Kind.UNIQUE:
            return UniqueKey.of_text(_unescaped(text))
        case Kind.LIMITS:
            return limits_of_text(_unescaped(text))
        case Kind.PLACE:
            return GroupPlace.of_text(_unescaped(text))
        case _:
            return int(text)


def _as_changes(fields: tuple[Field, ...], record: Any) -> str:
    parts = []
    for field in fields:
        value = getattr(record, field.name)
        parts.append(f";{field.key}" if value == field.default else f";{field.key}={_to_text(field, value)}")
    return "".join(parts)


def step_changes(record: Any) -> str:
    """What a retry changes of a tail, for :func:`merged`: all fields that a step writes, of this record."""
    return _as_changes(_STEP_FIELDS, record)


def _submission_tail(fields: tuple[Field, ...]) -> Callable[[Any], str] | None:
    """Made once: it runs for each message that is submitted."""
    if not fields:
        return None
    values = attrgetter(*(field.name for field in fields))
    usual = values(SimpleNamespace(**{field.name: field.default for field in fields}))

    @lru_cache(maxsize=256)
    def tail_of(given: tuple[Any, ...]) -> str:
        """Messages that are submitted together often have the same."""
        unusual = [
            (field, value) for field, value in zip(fields, given, strict=True) if value != field.default
        ]
        return "".join(f";{field.key}={_to_text(field, value)}" for field, value in unusual)

    return lambda record: "" if (given := values(record)) == usual else tail_of(given)


#: Makes the tail of a submission; None as long as no field of the tail is the producer's.
submission_tail: Final = _submission_tail(_PRODUCER_FIELDS)


def merged(tail: str, changes: str) -> str:
    """`tail` with `changes`: ``;key=value`` sets a field, ``;key`` alone sets it to its default."""
    changed = [part for part in changes.split(";") if part]
    keys = {part.partition("=")[0] for part in changed}
    kept = [part for part in tail.split(";") if part and part.partition("=")[0] not in keys]
    kept += [part for part in changed if "=" in part]
    return "".join(f";{part}" for part in kept)


def tail_values(kind: type, tail: str) -> Mapping[str, Any]:
    """The fields of a tail that records of this class have, by name. Left out is what is at its default, or damaged."""
    names: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    values = {}
    for part in tail.split(";"):
        key, _, text = part.partition("=")
        field = _BY_KEY.get(key)
        if field is not None and field.name in names:
            with suppress(ValueError):
                values[field.name] = _from_text(field, text)
    return values


def unreadable(version: object) -> str:
    """Why a record of this version is set aside."""
    return f"record version {version}: this version of Alsek reads up to {max(READABLE_VERSIONS)}"


def table() -> str:
    """The table of all fields, as it stands in ``docs/keys.md``."""
    rows = ["| field | what | kind | default | changed by |", "|---|---|---|---|---|"]
    for field in (*LINE, *TAIL):
        name = f"`{field.name}`" + (f" (`{field.key}` in the tail)" if field.key else "")
        default = "none" if field.default is None else f"`{_shown(field)}`" if _shown(field) else "empty"
        rows.append(f"| {name} | {field.meaning} | {field.kind.value} | {default} | {field.writer} |")
    return "\n".join(rows) + "\n"


def _shown(field: Field) -> str:
    return field.default.decode() if isinstance(field.default, bytes) else str(field.default)
