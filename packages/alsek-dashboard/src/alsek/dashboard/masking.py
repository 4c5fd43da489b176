"""Hides the arguments of some names, wherever what is shown of a message has them.

By name they are hidden in keyword arguments and in dicts of any depth: of arguments, results, metadata, checkpoints
and details. What was hidden of a message is then hidden in its texts too: those of errors, tracebacks and logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from alsek.core.inspection.plain import plain

#: What stands in the place of what is hidden.
HIDDEN: Final = "•••"
#: Texts that are shorter than this are hidden under their names, but not looked for in other texts.
_LEAST: Final = 3
#: The fields of an info in which values have names.
_VALUES: Final = ("kwargs", "metadata", "result", "previous_result", "checkpoint", "details")


class Masker:
    """Hides arguments by name.

    Args:
        names: Their names, in lower case.
        parameters: The names of the positional parameters of tasks. If names are hidden, all positional arguments of
            other tasks are, since it is not known which are which.
    """

    def __init__(self, names: frozenset[str], parameters: Mapping[str, tuple[str, ...]]) -> None:
        self._names = names
        self._parameters = parameters
        choice = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        self._named = re.compile(
            rf"""(?i)(?<![a-z0-9])({choice})(["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&)}}\]]+)"""
        )

    def info(self, info: Any) -> dict[str, Any]:
        """Return an info of an inspector as a dict of plain values, with what is to be hidden in it hidden."""
        shown, spellings = self._without_values(info)
        return {name: self._in_texts(value, spellings) for name, value in shown.items()}

    def text(self, info: Any, text: str) -> str:
        """Return a text about a message, without what is hidden of that."""
        _, spellings = self._without_values(info)
        return str(self._in_texts(text, spellings))

    def line(self, text: str) -> str:
        """Return a text without what stands behind one of the names."""
        return str(self._in_texts(text, ()))

    def _without_values(self, info: Any) -> tuple[dict[str, Any], list[str]]:
        """Return an info without what has a name to be hidden, and how texts may spell what was hidden."""
        shown: dict[str, Any] = plain(info)
        found: set[str] = set()
        if self._names and shown.get("args"):
            shown["args"] = self._by_position(shown.get("task"), shown["args"], found)
        for name in _VALUES if self._names else ():
            if shown.get(name) is not None:
                shown[name] = self._by_name(shown[name], found)
        return shown, sorted({each for text in found for each in _spellings(text)}, key=len, reverse=True)

    def _by_position(self, task: str | None, args: list[Any], found: set[str]) -> list[Any]:
        names = self._parameters.get(task or "")
        if not names:
            _note(args, found)
            return [HIDDEN] * len(args)
        last = len(names) - 1
        return [self._one(names[min(place, last)], value, found) for place, value in enumerate(args)]

    def _by_name(self, value: Any, found: set[str]) -> Any:
        if isinstance(value, dict):
            return {name: self._one(name, part, found) for name, part in value.items()}
        if isinstance(value, list):
            return [self._by_name(part, found) for part in value]
        return value

    def _one(self, name: str, value: Any, found: set[str]) -> Any:
        if name.lower() not in self._names:
            return self._by_name(value, found)
        _note(value, found)
        return HIDDEN

    def _in_texts(self, value: Any, spellings: Iterable[str]) -> Any:
        if not self._names:
            return value
        if isinstance(value, str):
            for spelling in spellings:
                value = value.replace(spelling, HIDDEN)
            return self._named.sub(rf"\1\2{HIDDEN}", value)
        if isinstance(value, dict):
            return {name: self._in_texts(part, spellings) for name, part in value.items()}
        if isinstance(value, list):
            return [self._in_texts(part, spellings) for part in value]
        return value


def _note(value: Any, found: set[str]) -> None:
    """Note the texts of a value that is hidden."""
    if isinstance(value, dict):
        for part in value.values():
            _note(part, found)
    elif isinstance(value, list):
        for part in value:
            _note(part, found)
    elif value is not None and not isinstance(value, bool) and len(str(value)) >= _LEAST:
        found.add(str(value))


def _spellings(text: str) -> tuple[str, ...]:
    """Return a text as Python and JSON write it within quotes, and as it is."""
    return text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
