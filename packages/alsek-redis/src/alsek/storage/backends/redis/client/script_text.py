"""The texts of scripts: found, and put together.

A script is one ``.lua`` file, one atomic transition. Its head says what it takes and answers. It uses functions of
the fragments in ``scripts/shared``. Each script and each fragment names in its head (``-- Needs: …``) the fragments
whose names it uses itself; :func:`fragments` adds what those need in turn, and puts all of them before the script,
after the clock and ``base.lua``. All that follows ``base.lua`` is one function within the script, because a function
that takes a name from outside of the one around it copies a reference, and otherwise searches a list for it. The server
keeps nothing between two calls of a script, so all functions are made anew each time, at some 2,000 instructions each.
Fragments that are seldom used are named in ``-- Rarely: …`` instead: they
are put into one function, which makes them when it is first called: ``rarely().dead_letter(…)``. A script whose rare
fragments are what some callers use at each call has a variant for them, ``step+slots``, in which those fragments
(``-- At once in step+slots: …``) come before the script.

A variant may try something first: the fragment of ``-- First in step+sleep: …`` comes right behind ``base.lua``, with
what it needs, and is called before the rest of the script. If it answers nil or false, the rest goes on, and finds that
in ``tried``. What it needs only now and then it names in ``-- Later: …``, and asks for with ``later().apply(…)``: those
fragments are made then. The rest of the script declares them again, if it needs them.

What only messages with further fields in their tail need is in *bundles*, which are made apart from the other rare
fragments, so that these cost no more: ``-- With keys: …`` names fragments of the bundle ``keys``, and
``rarely().with_keys().admit(…)`` calls a function of them. All files may ask a bundle for something, also those that
are rare themselves, or in it.

What Python and Lua both know (the form of a header, the constants) stands in the texts as ``@name@``: the loader puts
in the value that :mod:`~alsek.storage.backends.redis.client.lua_values` has for it.

``flags=allow-oom`` lets a script that frees memory run at ``maxmemory``. Servers before 7.0 don't know such flags, but
they lift that limit after the first write that needs no memory, so such a write comes first in the text for them.

In the partitions of a cluster, workers sleep by subscription: there ``clusters/told.lua`` comes before all fragments,
and what leaves a token first looks for such a worker. Elsewhere nothing of that is in the texts.

A script must not stop half-way, because Redis does not undo what it has written. A user's rights are checked before
the first write, when a process first runs a script (``scripts/rights/check.lua``). ``shared/base.lua`` says what
happens if another program has put a key of another type in the place of one of Alsek's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from alsek.storage.backends.redis.client.lua_values import with_values

_FOLDER = files("alsek.storage.backends.redis").joinpath("scripts")
_NEEDS = re.compile(r"^-- Needs: (.+)$", re.MULTILINE)
_RARELY = re.compile(r"^-- Rarely: (.+)$", re.MULTILINE)
_WITH = re.compile(r"^-- With (\w+): (.+)$", re.MULTILINE)
_AT_ONCE: Final = r"^-- At once in {}: (.+)$"
_LATER = re.compile(r"^-- Later: (.+)$", re.MULTILINE)
_FIRST = re.compile(r"^-- First in (.+): (\w+)$", re.MULTILINE)
_FUNCTIONS = re.compile(r"^local function (\w+)", re.MULTILINE)
_FLAGS = re.compile(r"^-- Flags: (.+)$", re.MULTILINE)
_BASE: Final = "base"
_FREE_WRITE = "redis.call('DEL', KEYS[1] .. ':none')\n"
_COMMANDS = re.compile(r"(?:(?<!p)call|try|attempt|bulk)\('([A-Z]+)'")
#: Each script is given at most this many keys. One key more asks it to check its user's rights first.
KEYS: Final = 7
#: In the head of a script that is sent one key alone, the messages, and no prefix: a key or argument takes the server
#: longer than to make a name.
_ONE_KEY: Final = "\n-- Keys: messages\n"
_KEYS_SENT: Final = (
    "local MESSAGES, QUEUES, DELAYED, WORKERS, COUNTERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]\n"
)
_KEYS_MADE: Final = (
    "local MESSAGES, QUEUES, DELAYED, WORKERS, COUNTERS = "
    "KEYS[1], P .. 'queues', P .. 'delayed', P .. 'workers', P .. 'counters'\n"
)
#: Where a token is left in ``shared/wakeups.lua``, and the same where a worker may be told.
_LEAVES: Final = "if call('EXISTS', list) == 0 then\n"
_TELLS: Final = "if call('EXISTS', list) == 0 and not told(list) then\n"
_RAISES = "local call, try = redis.call, redis.pcall\n"
_RAISES_WITH_NAME = """\
local try = redis.pcall
local function call(...)
  local answer = try(...)
  if type(answer) == 'table' and answer.err then
    error('ALSEK KEY ' .. select(2, ...) .. ' ' .. tostring(answer.err), 0)
  end
  return answer
end
"""

#: The server's clock in Unix milliseconds.
SERVER_CLOCK: Final = """\
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""


class Source(NamedTuple):
    """The text of a script and its digest, in the forms in which it is sent.

    Attributes:
        flagged: For servers that know flags.
        flagged_sha: Its digest.
        plain: For servers that don't.
        plain_sha: Its digest.
        naming: Sent if a command failed before the first write: its error names the key.
        one_key: It is sent one key alone, and no prefix.
    """

    flagged: bytes
    flagged_sha: bytes
    plain: bytes
    plain_sha: bytes
    naming: bytes
    one_key: bool


@cache
def load(name: str, clock: str, channels: str = "", tells: bool = False) -> Source:
    """Put a script together.

    Args:
        name: Of its file; or that of a variant.
        clock: The text of the Lua function ``now()``.
        channels: What the names of channels begin with, after the namespace.
        tells: It is for a partition of a cluster, where sleeping workers may be told.
    """
    text = with_values(_FOLDER.joinpath(f"{name.partition('+')[0]}.lua").read_text("utf-8"))
    flags = _FLAGS.search(text)
    at_once = _listed(re.compile(_AT_ONCE.format(re.escape(name)), re.MULTILINE), text)
    always, rarely = fragments(text, at_once)
    often = "".join(map(fragment_text, always[1:]))
    seldom = _seldom("".join(map(fragment_text, rarely)), bundles(text, at_once))
    if tells and any(_LEAVES in part for part in (often, seldom)):
        often = (_text_of_told() + often).replace(_LEAVES, _TELLS)
        seldom = seldom.replace(_LEAVES, _TELLS)
    one_key = _ONE_KEY in text
    prefix = "string.sub(KEYS[1], 1, -9)" if one_key else "ARGV[1]"
    head = f"local P = {prefix}\nlocal C = P .. '{channels}'\nlocal made, rarely, tried\n"
    found = _FIRST.search(text)
    first = _tried_first(found[2]) if found and name in found[1].split(" and ") else ""
    parts = "".join(
        (clock, "\n", fragment_text(_BASE), first, "return (function()\n", often, seldom, text, "end)()\n")
    )
    if one_key:
        parts = parts.replace(_KEYS_SENT, _KEYS_MADE)
    for function in _FUNCTIONS.findall("".join(map(fragment_text, at_once))):
        parts = parts.replace(f"rarely().{function}(", f"{function}(")
    body = "".join((head, _rights(parts), parts))
    flagged = (f"#!lua flags={flags.group(1)}\n{body}" if flags else body).encode()
    plain = (_FREE_WRITE + body if flags else body).encode()
    naming = (_FREE_WRITE if flags else "") + head + parts.replace(_RAISES, _RAISES_WITH_NAME)
    return Source(flagged, _digest(flagged), plain, _digest(plain), naming.encode(), one_key)


def commands_of(text: str) -> list[str]:
    """The commands that a user must be allowed for this script; not those that publish, which are optional."""
    found = set(_COMMANDS.findall(text)) | ({"HMGET"} if "fetch(" in text else set[str]())
    return sorted(found - {"PUBLISH", "SPUBLISH"})


def _text_of_told() -> str:
    return _FOLDER.joinpath("clusters", "told.lua").read_text("utf-8")


def _rights(parts: str) -> str:
    commands = ", ".join(f"'{name}'" for name in commands_of(parts))
    check = _FOLDER.joinpath("rights", "check.lua").read_text("utf-8")
    return f"if KEYS[{KEYS + 1}] then\nlocal COMMANDS = {{ {commands} }}\n{check}end\n"


def fragments(text: str, at_once: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """The shared fragments that a script is put together from, each after those that it needs.

    Args:
        text: Of the script.
        at_once: Fragments that come first, though the script needs them rarely.

    Returns:
        Those that come before the script, and those that ``rarely()`` makes.

    Raises:
        ValueError: Two fragments need each other.
    """
    always = _in_order([_BASE, *at_once, *_listed(_NEEDS, text)])
    asked = _listed(_RARELY, text)
    for name in always:
        asked += _listed(_RARELY, fragment_text(name))
    return always, [name for name in _in_order(asked) if name not in always]


def bundles(text: str, at_once: Sequence[str] = ()) -> dict[str, list[str]]:
    """The fragments of each bundle of a script, each after those that it needs.

    Args:
        text: Of the script.
        at_once: As for :func:`fragments`.
    """
    always, rarely = fragments(text, at_once)
    texts = [text, *map(fragment_text, (*always, *rarely))]
    asked: dict[str, list[str]] = {}
    for each in texts:  # it grows meanwhile: what is in a bundle may ask one for more
        for bundle, names in _WITH.findall(each):
            for name in names.split():
                listed = asked.setdefault(bundle, [])
                if name not in listed:
                    listed.append(name)
                    texts += map(fragment_text, _in_order([name]))
    return {
        bundle: [name for name in _in_order(names) if name not in (*always, *rarely)]
        for bundle, names in sorted(asked.items())
    }


def _in_order(names: Sequence[str]) -> list[str]:
    """These fragments and all that they need, each once, after what it needs."""
    found: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"fragments need each other: {' -> '.join((*path, name))}")
        if name in found:
            return
        for needed in _listed(_NEEDS, fragment_text(name)):
            visit(needed, (*path, name))
        found.append(name)

    for name in names:
        visit(name, ())
    return found


def _listed(which: re.Pattern[str], text: str) -> list[str]:
    found = which.search(text)
    return found.group(1).split() if found else []


@cache
def fragment_text(name: str) -> str:
    """The text of a fragment, with its values."""
    return with_values(_FOLDER.joinpath("shared", f"{name}.lua").read_text("utf-8"))


def _seldom(parts: str, of_bundles: Mapping[str, Sequence[str]]) -> str:
    """Lua's ``rarely()``: makes these functions, and those that make the bundles, when it is first called."""
    for bundle, names in of_bundles.items():
        parts += _making(f"local {bundle}_made\nlocal function with_{bundle}", f"{bundle}_made", names)
    if not parts:
        return ""
    # Declared before the other parts, which mention it.
    table = _table(parts)
    return f"function rarely()\nif made then return made end\n{parts}made = {table}\nreturn made\nend\n"


def _tried_first(name: str) -> str:
    """What comes before a script: a function that may have its answer."""
    parts = _with_later([name], [_BASE])
    return f"{parts}tried = {name}()\nif tried then return tried end\n"


def _with_later(names: Sequence[str], present: Sequence[str]) -> str:
    """These fragments and what they need, but for those that are present; what one needs later, when it asks."""
    present, parts = list(present), ""
    for name in _in_order(names):
        if name in present:
            continue
        if later := _listed(_LATER, fragment_text(name)):
            inner = _indented(_with_later(later, present))
            table = _table("".join(map(fragment_text, later)))
            made = f"made_for_{name}"
            parts += _made_once(f"local {made}\nlocal function later", made, inner, table)
        parts += fragment_text(name)
        present.append(name)
    return parts


def _making(declared: str, made: str, names: Sequence[str]) -> str:
    """A function of Lua that makes these fragments when it is first called."""
    parts = "".join(map(fragment_text, names))
    return _made_once(declared, made, _indented(parts), _table(parts))


def _made_once(declared: str, made: str, parts: str, table: str) -> str:
    """A function of Lua that makes these parts when it is first called, and answers this table of them."""
    return f"{declared}()\nif {made} then return {made} end\n{parts}\n{made} = {table}\nreturn {made}\nend\n"


def _indented(parts: str) -> str:
    """So that what these parts declare is not among the functions around them."""
    return re.sub("^", " ", parts, flags=re.MULTILINE)


def _table(parts: str) -> str:
    return "{ " + ", ".join(f"{name} = {name}" for name in _FUNCTIONS.findall(parts)) + " }"


def _digest(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
