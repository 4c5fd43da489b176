"""Two stores for the same calls: one tries ``idle_step.lua`` first, the other goes through all of ``step.lua``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from unittest.mock import patch

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.redis.client.script import ScriptCall
from alsek.storage.backends.redis.client.script_text import Source, load
from alsek.storage.backends.redis.ports import port_set
from tests.contract.stores import InRedis

_FIRST: Final = re.compile(
    rb"^local made_for_idle_step\n.*?^if tried then return tried end\n", re.MULTILINE | re.DOTALL
)
#: How often the rest of a script was gone through, although something else was tried first.
_RESTS: Final = "test-rests"
_COUNTED: Final = f"redis.call('INCR', '{_RESTS}')\n".encode()

#: Of each key: its name, its type, whether it expires, and what it holds.
_CONTENTS: Final = """
local all = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind, held = redis.call('TYPE', key).ok, {}
  if kind == 'zset' then held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  if kind == 'hash' then held = redis.call('HGETALL', key) end
  if kind == 'set' then held = redis.call('SMEMBERS', key) end
  if kind == 'list' then held = redis.call('LRANGE', key, 0, -1) end
  if kind == 'string' then held = { redis.call('GET', key) } end
  all[#all + 1] = { string.sub(key, #ARGV[1]), kind, redis.call('PTTL', key) < 0 and 0 or 1, held }
end
return all
"""


class OneWay(InRedis):
    """A store whose steps go one of the two ways.

    Args:
        url: Of its database.
        first: Whether ``idle_step.lua`` is tried.
    """

    def __init__(self, url: str, first: bool) -> None:
        self._first = first
        super().__init__(url)
        self._contents = self._redis.register_script(_CONTENTS)

    def open(self, namespace: str | None = None) -> Backend:
        backend = super().open(namespace)
        messages: Any = backend.messages
        make = messages._make_call

        def make_call(script: str, keys: Sequence[bytes] = (), fixed: Sequence[bytes] = ()) -> ScriptCall:
            with patch.object(port_set, "load", self._load):
                made: ScriptCall = make(script, keys=keys, fixed=fixed)
                return made

        messages._make_call = make_call
        return backend

    def _load(self, *asked: Any) -> Source:
        return self._changed(load(*asked))

    def _changed(self, source: Source) -> Source:
        def changed(text: bytes) -> bytes:
            return _FIRST.sub(lambda found: found[0] + _COUNTED if self._first else b"", text)

        flagged, plain = changed(source.flagged), changed(source.plain)
        return Source(
            flagged, _digest(flagged), plain, _digest(plain), changed(source.naming), source.one_key
        )

    def contents(self, backend: Backend) -> dict[str, Any]:
        """All that is in a namespace, but for how long it stays."""
        found = {}
        for key, kind, expires, held in self._contents(args=[f"{self._prefix(backend.namespace)}*"]):
            pairs = zip(held[::2], held[1::2], strict=True) if kind in (b"zset", b"hash") else held
            found[key.decode("utf-8", "backslashreplace")] = (kind, expires, sorted(pairs))
        return found

    @property
    def client(self) -> Any:
        """Another program's connection."""
        return self._redis

    @property
    def rests(self) -> int:
        """How many steps tried ``idle_step.lua`` in vain."""
        return int(self._redis.get(_RESTS) or 0)

    def listen(self) -> Any:
        """Listen to all channels, so that whatever is pushed has a receiver."""
        listener = self._redis.pubsub()
        listener.psubscribe("*")
        listener.get_message(timeout=60)
        return listener


def _digest(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
