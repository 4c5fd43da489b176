"""How keys are written in records, and shown to people."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

#: A key that is longer is cut off behind half as many characters, and ends in the digest of all of it.
MOST_CHARACTERS: Final = 200

#: Begins the key of a limit that is for a task as a whole.
TASK_PREFIX: Final = "task:"

#: What would end a key in a record, or be escaped there once more, and what not every store can keep.
_SPECIAL: Final = re.compile(r"[\\%|;,\x00-\x1f\x7f\ud800-\udfff]")

_ESCAPED: Final = re.compile(r"\\(?:x([0-9A-F]{2})|u([0-9A-F]{4}))")

#: An escaped character, or a part of one, at the end of a text.
_CUT: Final = re.compile(r"\\(?:x[0-9A-F]{0,2}|u[0-9A-F]{0,4})?$")


def recorded(text: str) -> str:
    """Return a key as it stands in records. Different texts stay different."""
    return _shortened(_escaped(text))


def key_of_task(task_name: str, text: str) -> str:
    """Return a key that only messages of this task have."""
    return _shortened(f"{_escaped(task_name).replace(':', _escape(':'))}:{_escaped(text)}")


def digest(text: str | bytes) -> str:
    """Return the SHA-256 of a text, as hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text).hexdigest()


def readable(key: str) -> str:
    """Return a key of a record as people are shown it."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), key)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _escape(found[0]), text)


def _escape(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02X}" if number < 256 else f"\\u{number:04X}"


def _shortened(whole: str) -> str:
    if len(whole) <= MOST_CHARACTERS:
        return whole
    return f"{_CUT.sub('', whole[: MOST_CHARACTERS // 2])}~{digest(whole)}"
