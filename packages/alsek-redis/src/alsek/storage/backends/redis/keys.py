"""The names of the keys and channels of a namespace that Python needs. ``docs/keys.md`` lists all keys.

The scripts build the names for single queues, messages and workers themselves, from the prefix. A ``:`` in a namespace
is escaped, so that no name of the namespace ``a`` is one of ``a:b``.
"""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = re.compile(rb"partitions=(\d+)")


def mark_of_partitions(partitions: int) -> bytes:
    """What stands in the place of the messages of a namespace that has so many partitions."""
    return b"partitions=%d" % partitions


def marked_partitions(mark: bytes | None) -> int | None:
    """How many partitions a namespace has by what stands in the place of its messages; None if it is no such mark."""
    found = None if mark is None else _MARK.fullmatch(mark)
    return None if found is None else int(found[1])


class Keys:
    """The names of the keys and channels of one namespace.

    Args:
        namespace: As the user gave it.
        hash_tag: Put the namespace in braces, so that a cluster keeps all of it on one node.
        database: Its number. Channels belong to the whole server, so those of databases other than 0 have its number.
        partition: The number of the partition whose names these are; None for a namespace that has no partitions. Its
            ``%p`` is in no escaped namespace.
    """

    def __init__(
        self, namespace: str, hash_tag: bool = False, database: int = 0, partition: int | None = None
    ) -> None:
        escaped = namespace.replace("%", "%25").replace(":", "%3A")
        if partition is not None:
            escaped, hash_tag = f"{escaped}%p{partition}", True
        self.prefix = f"{{{escaped}}}:" if hash_tag else f"{escaped}:"
        #: What the names of channels begin with, after the namespace.
        self.channels = f"@{database}:" if database else ""

    def messages(self) -> str:
        """HASH uuid -> record: all messages of the namespace, so a uuid can't be there twice."""
        return f"{self.prefix}messages"

    def queues(self) -> str:
        """HASH queue -> how many messages it holds; an empty queue is not in it."""
        return f"{self.prefix}queues"

    def delayed(self) -> str:
        """ZSET arrival, uuid and queue by due time."""
        return f"{self.prefix}delayed"

    def workers(self) -> str:
        """ZSET worker by the end of its lease."""
        return f"{self.prefix}workers"

    def counters(self) -> str:
        """HASH of growing numbers (arrival, token, fence, …) and the workers' heartbeat."""
        return f"{self.prefix}counters"

    def moves(self) -> str:
        """HASH of what is noted of moves to and from other stores."""
        return f"{self.prefix}moves"

    def claims(self, worker: str) -> str:
        """HASH uuid -> claim, of one worker; its field '' is the worker's last step."""
        return f"{self.prefix}claims:{worker}"

    def calls(self, worker: str) -> str:
        """LIST: a token here wakes just this worker."""
        return f"{self.prefix}calls:{worker}"

    def wake(self, kind: str, queue: str) -> str:
        """LIST: a token here wakes one sleeper of this kind whose worker names this queue."""
        return f"{self.prefix}wake:{kind}:{queue}"

    def wake_any_queue(self, kind: str) -> str:
        """LIST: a token here wakes one sleeper of this kind whose worker takes from all queues."""
        return f"{self.prefix}wakes:{kind}"

    def result(self, uuid: str) -> str:
        """STRING timestamp|token|payload."""
        return f"{self.prefix}results:{uuid}"

    def status(self, uuid: str) -> str:
        """STRING as :meth:`~alsek.storage.backends.records.StatusRecord.pack` makes it."""
        return f"{self.prefix}statuses:{uuid}"

    def letter(self, queue: str, uuid: str) -> str:
        """STRING: a dead letter (``scripts/shared/dead_letters.lua``)."""
        return f"{self.prefix}letters:{uuid}\n{queue}"

    def group(self, group: str) -> str:
        """HASH of what is kept of a group (``scripts/shared/groups.lua``)."""
        return f"{self.prefix}group:{group}"

    def members(self, group: str) -> str:
        """HASH number -> how that member of the group ended."""
        return f"{self.prefix}members:{group}"

    def unreachable(self, uuid: str) -> str:
        """STRING: the uuid because of whose failure this callback will not be submitted."""
        return f"{self.prefix}unreachable:{uuid}"

    def schedules(self) -> str:
        """HASH name -> record of a schedule (``scripts/shared/schedule_records.lua``)."""
        return f"{self.prefix}schedules"

    def reports(self, uuid: str) -> str:
        """HASH of what is kept of the reports on a message (``scripts/shared/reports.lua``)."""
        return f"{self.prefix}reports:{uuid}"

    def log(self, uuid: str) -> str:
        """LIST of what the task of a message has logged, oldest first."""
        return f"{self.prefix}log:{uuid}"

    def value(self, name: str) -> str:
        """STRING: a value stored with ``Backend.set``."""
        return f"{self.prefix}values:{name}"

    def channel(self, name: str) -> str:
        """A channel of this namespace, in this database."""
        if not self.channels and name.startswith("@"):
            return f"{self.prefix}@0:{name}"  # without this it could be a channel of another database
        return f"{self.prefix}{self.channels}{name}"

    def pushes(self, worker: str) -> str:
        """The channel on which a worker is sent messages while it sleeps."""
        return self.channel(f"pushes:{worker}")

    def told(self, sleeper: str) -> str:
        """The channel on which a worker that sleeps by subscription is told that there is something for it."""
        return self.channel(f"told:{sleeper}")

    def short_channel(self, channel: str) -> str:
        """The reverse of :meth:`channel`."""
        return channel.removeprefix(self.prefix).removeprefix(self.channels or "@0:")
