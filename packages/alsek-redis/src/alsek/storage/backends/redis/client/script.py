"""Scripts: found, put together and called.

A script is one ``.lua`` file, one atomic transition. Its head says what it takes and answers. It uses functions of
the fragments in ``scripts/shared``. Each script and each fragment names in its head (``-- Needs: …``) the fragments
whose names it uses itself; :func:`fragments` adds what those need in turn, and puts all of them before the script,
after the clock and ``base.lua``. The server keeps nothing between two calls of a script, so all functions are made anew
each time, at some 2,000 instructions each. Fragments that are seldom used are named in ``-- Rarely: …`` instead: they
are put into one function, which makes them when it is first called: ``rarely().dead_letter(…)``. What Python and Lua
both know (the form of a header, the constants) stands in the texts as ``@name@``: the loader puts in the value that
:mod:`~alsek.storage.backends.redis.client.lua_values` has for it.

A script is called by its digest; a server that does not know it (it restarted, say) is sent the text.
``flags=allow-oom`` lets what frees memory run at ``maxmemory``; servers before 7.0 don't know such flags, but
lift that limit from the first write on that needs no memory, so such a write is put first.

No script may stop half-way, since Redis takes nothing back. What a user is not allowed to do is found out before
the first write, when a process first runs a script (``scripts/rights/check.lua``; one key more tells the script to
ask). What a foreign key in the place of one of Alsek's makes impossible either stops a script before its first
write, and then it is sent once more in a form that names the key, or is noted and left out (``shared/base.lua``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from alsek.exceptions import BackendError
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.lua_values import with_values
from alsek.storage.backends.redis.client.resp import encode_all

_FOLDER = files("alsek.storage.backends.redis").joinpath("scripts")
_NEEDS = re.compile(r"^-- Needs: (.+)$", re.MULTILINE)
_RARELY = re.compile(r"^-- Rarely: (.+)$", re.MULTILINE)
_FUNCTIONS = re.compile(r"^local function (\w+)", re.MULTILINE)
_FLAGS = re.compile(r"^-- Flags: (.+)$", re.MULTILINE)
_BASE: Final = "base"
_FREE_WRITE = "redis.call('DEL', KEYS[1] .. ':none')\n"
_COMMANDS = re.compile(r"(?:(?<!p)call|try|attempt|bulk)\('([A-Z]+)'")
#: Each script is told of this many keys, and of one more if it is to ask for its user's rights first.
_KEYS: Final = 6
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
_FOREIGN = ("WRONGTYPE", "not an integer", "would overflow")

#: The server's clock in Unix milliseconds.
SERVER_CLOCK: Final = """\
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""


class Source(NamedTuple):
    """A script's text and digest, for servers that know flags and for those that don't, and one that names a key."""

    flagged: bytes
    flagged_sha: bytes
    plain: bytes
    plain_sha: bytes
    naming: bytes


@cache
def load(name: str, clock: str, channels: str = "") -> Source:
    """The script of this name, whole, for the database whose channels' names begin so after the namespace."""
    text = with_values(_FOLDER.joinpath(f"{name}.lua").read_text("utf-8"))
    flags = _FLAGS.search(text)
    always, rarely = fragments(text)
    often, seldom = "".join(map(_fragment, always)), _seldom("".join(map(_fragment, rarely)))
    head = f"local P = ARGV[1]\nlocal C = P .. '{channels}'\nlocal made, rarely\n"
    parts = "".join((clock, "\n", often, seldom, text))
    body = "".join((head, _rights(parts), parts))
    flagged = (f"#!lua flags={flags.group(1)}\n{body}" if flags else body).encode()
    plain = (_FREE_WRITE + body if flags else body).encode()
    naming = (_FREE_WRITE if flags else "") + head + parts.replace(_RAISES, _RAISES_WITH_NAME)
    return Source(flagged, _digest(flagged), plain, _digest(plain), naming.encode())


def commands_of(text: str) -> list[str]:
    """The commands without which a script is no use. (Who may not publish is served all the same.)"""
    found = set(_COMMANDS.findall(text)) | ({"HMGET"} if "fetch(" in text else set[str]())
    return sorted(found - {"PUBLISH"})


def _rights(parts: str) -> str:
    commands = ", ".join(f"'{name}'" for name in commands_of(parts))
    check = _FOLDER.joinpath("rights", "check.lua").read_text("utf-8")
    return f"if KEYS[{_KEYS + 1}] then\nlocal COMMANDS = {{ {commands} }}\n{check}end\n"


def fragments(text: str) -> tuple[list[str], list[str]]:
    """The shared fragments that a script is put together from, each after those that it needs.

    Returns:
        Those that come before the script, and those that ``rarely()`` makes.

    Raises:
        ValueError: Two fragments need each other.
    """
    always = _in_order([_BASE, *_listed(_NEEDS, text)])
    asked = _listed(_RARELY, text)
    for name in always:
        asked += _listed(_RARELY, _fragment(name))
    return always, [name for name in _in_order(asked) if name not in always]


def _in_order(names: Sequence[str]) -> list[str]:
    """These fragments and all that they need, each once, after what it needs."""
    found: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"fragments need each other: {' -> '.join((*path, name))}")
        if name in found:
            return
        for needed in _listed(_NEEDS, _fragment(name)):
            visit(needed, (*path, name))
        found.append(name)

    for name in names:
        visit(name, ())
    return found


def _listed(which: re.Pattern[str], text: str) -> list[str]:
    found = which.search(text)
    return found.group(1).split() if found else []


@cache
def _fragment(name: str) -> str:
    return with_values(_FOLDER.joinpath("shared", f"{name}.lua").read_text("utf-8"))


def _seldom(parts: str) -> str:
    """Lua's ``rarely()``: makes these functions when it is first called."""
    if not parts:
        return ""
    table = ", ".join(f"{name} = {name}" for name in _FUNCTIONS.findall(parts))
    # Declared before the other parts, which mention it.
    return f"function rarely()\nif made then return made end\n{parts}made = {{ {table} }}\nreturn made\nend\n"


def _digest(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


class ScriptCall:
    """A script with the keys and first arguments that stay the same from call to call, packed once.

    Args:
        link: To the server.
        source: What :func:`load` gave.
        keys: Known beforehand.
        fixed: The first arguments.
    """

    def __init__(self, link: Link, source: Source, keys: Sequence[bytes], fixed: Sequence[bytes]) -> None:
        self._link = link
        self._source = source
        self._tail = (b"%d" % len(keys), *keys, *fixed)
        none = fixed[0] + b"none"
        padded = (*keys, *([none] * (_KEYS + 1 - len(keys))))
        self._asking_tail = (b"%d" % len(padded), *padded, *fixed)
        packed_tail = encode_all(self._tail)
        self._count = 2 + len(self._tail)
        self._head_flagged = encode_all((b"EVALSHA", source.flagged_sha)) + packed_tail
        self._head_plain = encode_all((b"EVALSHA", source.plain_sha)) + packed_tail

    def __call__(self, *arguments: bytes) -> Any:
        """Run it, with these arguments after the fixed ones."""
        return self.run(arguments)

    def run(self, arguments: Sequence[bytes]) -> Any:
        """Run it.

        Raises:
            BackendUnavailableError, BackendError: See :class:`~alsek.storage.backends.redis.client.connection.Link`.
        """
        link = self._link
        try:
            if self._source.flagged_sha in link.permitted or not link.direct:  # an imitation has no users
                return self._run(arguments)
            reply = self._send(self._asking_tail, arguments)
        except BackendError as error:
            if not _is_foreign(error):
                raise
            return self._eval(self._source.naming, self._tail, arguments)
        link.permitted.add(self._source.flagged_sha)
        return reply

    def _run(self, arguments: Sequence[bytes]) -> Any:
        link = self._link
        if not link.direct:
            return self._send(self._tail, arguments)
        flagged = link.knows_flags is not False
        head = self._head_flagged if flagged else self._head_plain
        packed = b"*%d\r\n%b%b" % (self._count + len(arguments), head, encode_all(arguments))
        try:
            return link.send((), packed)
        except NoScriptError:
            return self._send_text(self._tail, arguments)
        except BackendError as error:
            return self._without_flags(error, flagged, self._tail, arguments)

    def _send(self, tail: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        flagged = self._link.knows_flags is not False
        sha = self._source.flagged_sha if flagged else self._source.plain_sha
        try:
            return self._link.send((b"EVALSHA", sha, *tail, *arguments), None)
        except NoScriptError:
            return self._send_text(tail, arguments)
        except BackendError as error:
            return self._without_flags(error, flagged, tail, arguments)

    def _without_flags(
        self, error: BackendError, flagged: bool, tail: Sequence[bytes], arguments: Sequence[bytes]
    ) -> Any:
        if not flagged or not self._is_unreadable(error):
            raise error
        # The server keeps a text by its digest that it can't read.
        self._link.knows_flags = False
        return self._send_text(tail, arguments)

    def _send_text(self, tail: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        link = self._link
        source = self._source
        if link.knows_flags is not False:
            try:
                return self._eval(source.flagged, tail, arguments)
            except BackendError as error:
                if not self._is_unreadable(error):
                    raise
                link.knows_flags = False
        return self._eval(source.plain, tail, arguments)

    def _eval(self, text: bytes, tail: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        return self._link.send((b"EVAL", text, *tail, *arguments), None)

    def _is_unreadable(self, error: BackendError) -> bool:
        """Whether this server could not even read the first line of the flagged text."""
        # Not by what the link knows now: another thread may have learned it while this one asked.
        if self._source.flagged == self._source.plain:
            return False
        text = str(error.__cause__)
        return isinstance(error.__cause__, ResponseError) and ("ompiling" in text or "near '#'" in text)


def _is_foreign(error: BackendError) -> bool:
    """Whether a key in the place of one of Alsek's stopped the script, before its first write."""
    return isinstance(error.__cause__, ResponseError) and any(sign in str(error) for sign in _FOREIGN)
