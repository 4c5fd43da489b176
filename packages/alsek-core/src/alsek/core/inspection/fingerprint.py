"""The fingerprint of a failure: equal for failures of one cause, on any machine and in any run.

It is made of the name of the exception, of the functions of the user that it came through last, and of its text
without what differs from one time to the next. Line numbers are left out: another line above must not change it.
"""

from __future__ import annotations

import hashlib
import re
from itertools import groupby
from typing import Final

from alsek.types import ExceptionDetails

#: How many functions of the user count, the innermost ones.
_MOST_FRAMES: Final = 3
#: How much of the text counts.
_MOST_TEXT: Final = 200

#: The lines of an exception group begin with bars.
_FRAME: Final = re.compile(r'^[ |]*File "(?P<file>[^"]*)", line \d+, in (?P<function>.+)$', re.MULTILINE)
#: Where the traceback of one exception begins, after that of its cause.
_BEGINNING: Final = re.compile(
    r"^[ |+]*(?:Exception Group )?Traceback \(most recent call last\):", re.MULTILINE
)
#: Where the members of an exception group begin.
_MEMBERS: Final = re.compile(r"^ *\+-\+-", re.MULTILINE)

#: Files that the user did not write: Python's own, installed packages, Alsek's.
_NOT_THE_USERS: Final = re.compile(
    r"^<frozen |[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python\d[^/\\]*[/\\]"
    r"|[/\\]alsek[/\\](?:core|storage|cli|tools)[/\\]"
)

_FOLDERS: Final = re.compile(r".*[/\\]")

_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
#: An apostrophe within a word (``can't``) begins no quotation.
_QUOTED: Final = re.compile(r"(?<!\w)(['\"]).*?\1(?!\w)")
#: Numbers, hexadecimal ones as well, and all other words with a digit in them.
_WITH_DIGIT: Final = re.compile(r"\w*\d\w*(?:[.:,-]\w*\d\w*)*")


def fingerprint(details: ExceptionDetails) -> str:
    """Return the fingerprint of a failure: twelve hexadecimal digits."""
    parts = [details["name"], *_functions(details["traceback"] or ""), _constant_part(details["text"])]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _functions(traceback: str) -> list[str]:
    """Return file and name of the user's innermost functions; of any functions if none is the user's.

    Only the traceback of the exception itself counts, not those of its causes and of the members of a group. A
    function that calls itself counts once, since the depth of such calls depends on the data.
    """
    beginnings = [match.end() for match in _BEGINNING.finditer(_MEMBERS.split(traceback, 1)[0])]
    own = _MEMBERS.split(traceback[beginnings[-1] if beginnings else 0 :], 1)[0]
    frames = [(match["file"], match["function"]) for match in _FRAME.finditer(own)]
    users = [frame for frame in frames if _NOT_THE_USERS.search(frame[0]) is None]
    names = [f"{_FOLDERS.sub('', file)}:{function}" for file, function in users or frames]
    return [name for name, _ in groupby(names)][-_MOST_FRAMES:]


def _constant_part(text: str) -> str:
    """Return the first line of a text, with ``#`` for uuids, quotations, numbers and words with digits in them."""
    line = text.strip().split("\n", 1)[0][:_MOST_TEXT]
    for varying in (_UUID, _QUOTED, _WITH_DIGIT):
        line = varying.sub("#", line)
    return line
