"""The ports of a namespace over several partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.partitions.marker import Marker
from alsek.storage.backends.redis.partitions.messages import PartitionedMessages
from alsek.storage.backends.redis.partitions.parts import Parts
from alsek.storage.backends.redis.partitions.records import (
    PartitionedGroups,
    PartitionedLocks,
    PartitionedResults,
    PartitionedSchedules,
    PartitionedStatuses,
    PartitionedValues,
)
from alsek.storage.backends.redis.partitions.transfer import PartitionedTransfer
from alsek.storage.backends.redis.ports.port_set import PortSet

#: The channels whose names go on with the name of something that is in a partition.
_OF_THINGS = ("results", "statuses", "groups", "locks")


class PartitionedPorts:
    """All ports, each over all partitions.

    Args:
        sets: The ports of each partition.
        marker: What the store remembers of its partitions.
        location_of: The location of a name.
        make_prompt: As of :class:`~alsek.storage.backends.redis.partitions.parts.Parts`.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        marker: Marker,
        location_of: Callable[[str], int],
        make_prompt: Callable[[], Sequence[PortSet]] | None = None,
    ) -> None:
        self.parts = parts = Parts(sets, marker, location_of, make_prompt)
        self.messages = PartitionedMessages(parts)
        self.results = PartitionedResults(parts)
        self.statuses = PartitionedStatuses(parts)
        self.locks = PartitionedLocks(parts)
        self.values = PartitionedValues(parts)
        self.groups = PartitionedGroups(parts)
        self.schedules = PartitionedSchedules(parts)
        self.transfer = PartitionedTransfer(parts)
        #: The names of channels, and a server on which all of them can be heard.
        self.keys: Keys = _Channels(parts)

    @property
    def link(self) -> Link:
        """To the server of one of the partitions."""
        return self.parts.all[0].link

    def close(self) -> None:
        """Close the connections of all partitions."""
        self.messages.close()
        self.parts.close()

    def of(self, name: str) -> PortSet:
        """The partition that a name is in."""
        return self.parts.of(name)


class _Channels(Keys):
    """The names of the channels of all partitions. A cluster publishes on all of its nodes.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        first = parts.unchecked[0].keys
        self.prefix, self.channels = first.prefix, first.channels
        self._parts = parts

    def channel(self, name: str) -> str:
        kind, colon, thing = name.partition(":")
        number = self._parts.number(thing if colon and kind in _OF_THINGS else name)
        return self._parts.unchecked[number].keys.channel(name)

    def short_channel(self, channel: str) -> str:
        for part in self._parts.unchecked:
            if channel.startswith(part.keys.prefix):
                return part.keys.short_channel(channel)
        return channel
