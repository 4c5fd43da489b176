"""Scripts: found, put together and called.

A script is one ``.lua`` file, one atomic transition. Its head says what it takes and answers, and which
parts of ``scripts/prelude`` it needs: they are put before it, after the clock. A script keeps nothing between
two calls, so all its functions are made anew each time, at some 2,000 instructions each; parts that it needs
rarely are put into one function, which makes them when it is first asked: ``rarely().bury(…)``.

A script is called by its digest; a server that does not know it (it restarted, say) is sent the text.
``flags=allow-oom`` lets what frees memory run at ``maxmemory``; servers before 7.0 don't know such flags, but
lift that limit from the first write on that needs no memory, so such a write is put first.
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
from alsek.storage.backends.redis.connection import Link
from alsek.storage.backends.redis.resp import encode, encode_all

_FOLDER = files("alsek.storage.backends.redis").joinpath("scripts")
_NEEDS = re.compile(r"^-- Needs: (.+)$", re.MULTILINE)
_RARELY = re.compile(r"^-- Rarely: (.+)$", re.MULTILINE)
_FUNCTIONS = re.compile(r"^local function (\w+)", re.MULTILINE)
_FLAGS = re.compile(r"^-- Flags: (.+)$", re.MULTILINE)
_FREE_WRITE = "redis.call('DEL', KEYS[1] .. ':none')\n"

#: The server's clock in Unix milliseconds.
SERVER_CLOCK: Final = """\
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""


class Source(NamedTuple):
    """A script's text and digest, for servers that know flags and for those that don't."""

    flagged: bytes
    flagged_sha: bytes
    plain: bytes
    plain_sha: bytes


@cache
def load(name: str, clock: str) -> Source:
    """The script of this name, whole."""
    text = _FOLDER.joinpath(f"{name}.lua").read_text("utf-8")
    flags = _FLAGS.search(text)
    often, seldom = _parts(_NEEDS, text), _seldom(_parts(_RARELY, text))
    body = "".join(["local P = ARGV[1]\nlocal made, rarely\n", clock, "\n", often, seldom, text])
    flagged = (f"#!lua flags={flags.group(1)}\n{body}" if flags else body).encode()
    plain = (_FREE_WRITE + body if flags else body).encode()
    return Source(flagged, _digest(flagged), plain, _digest(plain))


def _parts(which: re.Pattern[str], text: str) -> str:
    found = which.search(text)
    names = found.group(1).split() if found else []
    return "".join(_FOLDER.joinpath("prelude", f"{name}.lua").read_text("utf-8") for name in names)


def _seldom(parts: str) -> str:
    """Lua's ``rarely()``: makes these functions when it is first called."""
    if not parts:
        return ""
    table = ", ".join(f"{name} = {name}" for name in _FUNCTIONS.findall(parts))
    # Declared before the other parts, which mention it.
    return f"function rarely()\nif made then return made end\n{parts}made = {{ {table} }}\nreturn made\nend\n"


def _digest(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


class Call:
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
        self._packed_tail = encode_all(self._tail)
        self._count = 2 + len(self._tail)
        self._head_flagged = encode_all((b"EVALSHA", source.flagged_sha)) + self._packed_tail
        self._head_plain = encode_all((b"EVALSHA", source.plain_sha)) + self._packed_tail

    def __call__(self, *arguments: bytes) -> Any:
        """Run it, with these arguments after the fixed ones."""
        return self.run(arguments)

    def run(self, arguments: Sequence[bytes]) -> Any:
        """Run it.

        Raises:
            BackendUnavailableError, BackendError: See :class:`~alsek.storage.backends.redis.connection.Link`.
        """
        link = self._link
        flagged = link.knows_flags is not False
        try:
            if link.direct:
                head = self._head_flagged if flagged else self._head_plain
                packed = b"*%d\r\n%b%b" % (self._count + len(arguments), head, encode_all(arguments))
                return link.send((), packed)
            sha = self._source.flagged_sha if flagged else self._source.plain_sha
            return link.send((b"EVALSHA", sha, *self._tail, *arguments), None)
        except NoScriptError:
            return self._send_text(arguments)
        except BackendError as error:
            if not flagged or not self._is_unreadable(error):
                raise
            # The server keeps a text by its digest that it can't read.
            link.knows_flags = False
            return self._send_text(arguments)

    def _send_text(self, arguments: Sequence[bytes]) -> Any:
        link = self._link
        source = self._source
        if link.knows_flags is not False:
            try:
                return self._eval(source.flagged, arguments)
            except BackendError as error:
                if not self._is_unreadable(error):
                    raise
                link.knows_flags = False
        return self._eval(source.plain, arguments)

    def _eval(self, text: bytes, arguments: Sequence[bytes]) -> Any:
        command = (b"EVAL", text, *self._tail, *arguments)
        return self._link.send(command, encode(command) if self._link.direct else None)

    def _is_unreadable(self, error: BackendError) -> bool:
        """Whether this server could not even read the first line of the flagged text."""
        # Not by what the link knows now: another thread may have learned it while this one asked.
        if self._source.flagged == self._source.plain:
            return False
        text = str(error.__cause__)
        return isinstance(error.__cause__, ResponseError) and ("ompiling" in text or "near '#'" in text)
