"""The ports of one namespace, or of one partition of a namespace."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.script import ScriptCall
from alsek.storage.backends.redis.client.script_text import load
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.groups import RedisGroups
from alsek.storage.backends.redis.ports.locks import RedisLocks
from alsek.storage.backends.redis.ports.messages import RedisMessages
from alsek.storage.backends.redis.ports.results import RedisResults
from alsek.storage.backends.redis.ports.schedules import RedisSchedules
from alsek.storage.backends.redis.ports.statuses import RedisStatuses
from alsek.storage.backends.redis.ports.transfer.port import RedisTransfer
from alsek.storage.backends.redis.ports.values import RedisValues
from alsek.storage.backends.redis.wakeup.listeners import IdleListeners


class PortSet:
    """All ports, on keys that are on one server.

    Args:
        link: The connection to the server.
        keys: The names of the keys.
        clock: The text of the Lua function ``now()``.
        listeners: Connections to the server for subscriptions.
        tells: They are those of a partition of a cluster, where sleeping workers may be told.
    """

    def __init__(
        self, link: Link, keys: Keys, clock: str, listeners: IdleListeners, tells: bool = False
    ) -> None:
        self.link = link
        self.keys = keys
        self.listeners = listeners
        self._clock = clock
        self._tells = tells
        names = (keys.messages(), keys.queues(), keys.delayed(), keys.workers(), keys.counters())
        self._shared = tuple(name.encode() for name in names)
        self.messages = RedisMessages(link, keys, self._call)
        self.results = RedisResults(link, keys, self._call)
        self.statuses = RedisStatuses(link, keys, self._call)
        self.locks = RedisLocks(link, self._call)
        self.values = RedisValues(link, keys)
        self.groups = RedisGroups(link, keys, self._call)
        self.schedules = RedisSchedules(link, keys, self._call)
        self.transfer = RedisTransfer(link, keys, self._call)

    def of(self, name: str) -> PortSet:
        """The ports of what has this name: these."""
        return self

    def _call(self, script: str, keys: Sequence[bytes] = (), fixed: Sequence[bytes] = ()) -> ScriptCall:
        source = load(script, self._clock, self.keys.channels, self._tells)
        if source.one_key:
            return ScriptCall(self.link, source, self._shared[:1], fixed, self.link.cluster)
        prefix = self.keys.prefix.encode()
        return ScriptCall(self.link, source, (*self._shared, *keys), (prefix, *fixed), self.link.cluster)
