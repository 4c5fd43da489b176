"""What Python and Lua both know, as text for the scripts: ``@name@`` in a script stands for one of these.

The loader puts them in, so a constant and the form of a record's header are declared in Python alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from alsek.defaults import (
    DEDUP_WINDOW,
    DEFAULT_STATUS_TTL,
    FAILED_PARENT_TTL,
    MOST_PUSHES,
    PROMOTION_BATCH,
    SCHEDULE_OFFER,
    SLEEPER_MS,
    STALE_PUSH_MS,
)
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import LINE, READABLE_VERSIONS, RECORD_VERSION, Kind, unreadable
from alsek.storage.backends.history import KEPT_MS, MINUTE_MS
from alsek.storage.backends.kinds import (
    LOOKED_AT,
    SLOTS_OF,
    WISH_LETTERS,
    WISHES_BY_SLOT,
    WISHES_OF,
    WorkerKind,
    sleeps_as,
)
from alsek.storage.backends.records import REPLAYED, TaskStatus
from alsek.types import Wish

#: A result of more bytes is not published itself: an empty value is, and processes that wait read the result.
MAX_PUBLISHED_RESULT: Final = 4096

#: A message whose record has more bytes is not pushed: a server may disconnect who has much to receive.
MAX_PUSHED_RECORD: Final = 131_072

#: The hash of the uuids that ended in one half of the window is kept until nothing in it counts any more.
REMEMBERED_MS: Final = DEDUP_WINDOW + DEDUP_WINDOW // 2

#: The kinds of workers in the order in which scripts ask for them.
_KINDS: Final[Sequence[WorkerKind]] = ("thread", "process", "thread-async", "process-async", "any")

_NAME: Final = re.compile(r"@(\w+)@")

_VERSIONS: Final = f"[{''.join(map(str, READABLE_VERSIONS))}]"

_PATTERNS: Final = {
    Kind.NUMBER: "%d+",
    Kind.DURATION: "%-?%d+",
    Kind.FLAG: "[01]",
    Kind.WISH: f"[{''.join(WISH_LETTERS.values())}]",
    Kind.WORD: "[^|;]*",
    Kind.NAME: r"[^\n]+",
}


def _pattern(captured: Collection[str]) -> str:
    """The Lua pattern of the header's line, which captures these of its fields, and ``tail``."""
    parts = [_VERSIONS if "version" not in captured else f"({_VERSIONS})"]
    for field in LINE:
        pattern = _PATTERNS[field.kind]
        part = f"({pattern})" if field.name in captured else pattern
        if field.name == "request":  # the tail is in its place too, where version 1 keeps it unread
            rest = "(;?[^|]*)" if "tail" in captured else "[^|]*"
            part = part + rest if "request" in captured else rest
        parts.append(part)
    return "|".join(parts) + r"\n"


def _names() -> list[str]:
    """The fields as a pattern captures them, the tail behind the request."""
    names = ["version", *(field.name for field in LINE)]
    names.insert(names.index("request") + 1, "tail")
    return names


_ALL: Final = _names()


def _formatted(value_of: Mapping[str, str]) -> str:
    """The Lua expression that joins these values (Lua expressions, or literals in quotes) to a header."""
    parts = []
    for name in _ALL:
        if name not in ("version", "tail"):
            parts.append("'|'")
        parts.append(value_of[name])
    text = " .. ".join([*parts, r"'\n'"])
    return text.replace("' .. '", "")  # neighbouring literals are one


def _new_header() -> str:
    """The header of a new message: of local variables, named as the fields; what is the same for all is a literal."""
    values = {name: name for name in _ALL}
    values["version"] = f"'{RECORD_VERSION}'"
    for field in LINE:
        if field.name in ("losses", "revoked"):
            values[field.name] = f"'{field.default}'"
    return _formatted(values)


def _letters(wishes: Iterable[Wish]) -> str:
    """The Lua table of the letters of these wishes."""
    return "{ " + ", ".join(f"'{WISH_LETTERS[wish]}'" for wish in wishes) + " }"


def _by_kind(kind: str, values: Mapping[WorkerKind, str]) -> str:
    """The Lua expression for the one of these expressions that belongs to a kind; plain workers find theirs first."""
    order = sorted(values, key=_KINDS.index)
    choices = [f"{kind} == '{of}' and {values[of]}" for of in order[:-1]]
    return " or ".join([*choices, values[order[-1]]])


def _wishes_by_slot() -> dict[WorkerKind, str]:
    """For the workers that may have two limits the Lua table of the wishes for each of these."""
    tables = {}
    for kind, slots in WISHES_BY_SLOT.items():
        parts = [*slots.values(), *([LOOKED_AT[kind]] if kind in LOOKED_AT else [])]
        if len(parts) > 1:
            tables[kind] = "{ " + ", ".join(map(_letters, parts)) + " }"
    return tables


def _wishes_of_kinds() -> str:
    """The Lua table of kind of worker -> the letters of its wishes, as one text."""
    texts = (
        f"['{kind}'] = '{''.join(WISH_LETTERS[wish] for wish in wishes)}'"
        for kind, wishes in WISHES_OF.items()
    )
    return "{ " + ", ".join(texts) + " }"


def _wishes_of_sleepers() -> dict[WorkerKind, str]:
    """For each kind of worker the letters of the wishes for each of its kinds of slots, ``/`` between, in quotes."""
    texts: dict[WorkerKind, str] = {
        kind: "/".join("".join(WISH_LETTERS[wish] for wish in wishes) for wishes in slots.values())
        for kind, slots in WISHES_BY_SLOT.items()
    }
    return {kind: f"'{text}'" for kind, text in texts.items()}


def _two_slots() -> str:
    """The Lua expression that is true for a worker of a kind with slots of two kinds."""
    return " or ".join(f"ARGV[3] == '{kind}'" for kind, slots in SLOTS_OF.items() if len(slots) > 1)


def _sleeper_kinds() -> dict[WorkerKind, str]:
    """For each kind of worker the Lua table of the kinds as which it sleeps."""
    return {kind: "{ " + ", ".join(f"'{each}'" for each in sleeps_as(kind)) + " }" for kind in WISHES_OF}


def _ended(uuid_taken: bool) -> str:
    """The Lua expression that is true if `how` is an end of this kind. What is moved ends here as if removed."""
    ends = [end.name.lower() for end in End if end.uuid_taken is uuid_taken and end is not End.MOVED]
    return " or ".join(f"how == '{name}'" for name in ends)


VALUES: Final[Mapping[str, str]] = {
    "readable_versions": f"'^{_VERSIONS}|'",
    "unreadable": "'" + unreadable("' .. version .. '") + "'",
    "header_pattern": f"'^{_pattern(_ALL)}()'",
    "header_names": ", ".join(_ALL),
    "header_table": ", ".join(f"{name} = {name}" for name in _ALL),
    "header_text": _formatted({name: f"h.{name}" for name in _ALL}),
    "new_header": _new_header(),
    "pattern_to_claim": f"'^{_pattern(('expiry', 'status_ttl', 'tail'))}()'",
    "pattern_to_finish": f"'^(%d+)|%d+|%d|{_pattern(('status_ttl', 'request', 'tail', 'queue'))}$'",
    "dedup_window": str(DEDUP_WINDOW),
    "dedup_span": str(DEDUP_WINDOW // 2),
    "remembered": str(REMEMBERED_MS),
    "failed_parent_ttl": str(FAILED_PARENT_TTL),
    "default_status_ttl": str(DEFAULT_STATUS_TTL),
    "history_minute": str(MINUTE_MS),
    "history_kept": str(KEPT_MS + 2 * MINUTE_MS),
    "promotion_batch": str(PROMOTION_BATCH),
    "schedule_offer": str(SCHEDULE_OFFER),
    "max_published_result": str(MAX_PUBLISHED_RESULT),
    "all_wishes": _letters(WISH_LETTERS),
    "wishes_of_worker": _by_kind("ARGV[3]", {kind: _letters(wishes) for kind, wishes in WISHES_OF.items()}),
    "wishes_of_sleeper": _by_kind("sleeper.kind", _wishes_of_sleepers()),
    "two_slots": _two_slots(),
    "wishes_by_slot": _by_kind("ARGV[3]", _wishes_by_slot()),
    "wishes_of_kinds": _wishes_of_kinds(),
    "sleeper_kinds": _by_kind("sleeper.kind", _sleeper_kinds()),
    "sleeper_ms": str(SLEEPER_MS),
    "most_pushes": str(MOST_PUSHES),
    "stale_push_ms": str(STALE_PUSH_MS),
    "max_pushed_record": str(MAX_PUSHED_RECORD),
    "uuid_free": _ended(uuid_taken=False),
    "uuid_taken": _ended(uuid_taken=True),
    "replayed": f"'{REPLAYED}'",
    **{status.name: str(int(status)) for status in TaskStatus},
}


def with_values(text: str) -> str:
    """A script with its values put in.

    Raises:
        KeyError: It names one that there is not.
    """
    return _NAME.sub(lambda found: VALUES[found.group(1)], text)
