"""Waiting for the messages of all partitions with one connection to each node of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.wakeup.node_waiter import NodeWaiter, Place
from alsek.storage.backends.redis.wakeup.telling import Telling

#: While no node is known to have a partition, the cluster is asked again after so long.
_ASKED_AGAIN_MS: Final = 1_000


class NodeWaits:
    """One connection to each node that has partitions; they follow their slots from node to node.

    Args:
        sets: The ports of each partition.
        worker: The worker.
        slot: As in :meth:`~alsek.storage.backends.ports.WorkPort.waiter`.
        telling: What was found out about being told.
        away: Returns the partitions that are away.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        worker: Worker,
        slot: SlotKind | None,
        telling: Telling,
        away: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self._telling = telling
        self._away = away
        self._nodes: dict[str, NodeWaiter] = {}
        self._waiter_of: dict[int, NodeWaiter] = {}
        #: Partitions of which it is not known, or not settled, which node has them.
        self._unassigned = {
            number: Place(part.link, part.messages.subscribe_commands(worker, slot))
            for number, part in enumerate(sets)
        }
        self._asked_at: int | None = None

    @property
    def waiters(self) -> Sequence[NodeWaiter]:
        """Those of the nodes."""
        return tuple(self._nodes.values())

    @property
    def interval(self) -> int:
        """As that of a waiter."""
        return min((waiter.interval for waiter in self._nodes.values()), default=_ASKED_AGAIN_MS)

    def arm(self) -> None:
        """As that of a waiter. A node that is away keeps none of the others from waking the worker."""
        for waiter in self._nodes.values():
            for number, place in waiter.take_moved().items():
                self._unassigned[number] = place
                del self._waiter_of[number]
        if self._unassigned:
            self._settle()
        away = self._away()
        for waiter in self._nodes.values():
            if not waiter.partitions <= away:
                waiter.arm()

    def _settle(self) -> None:
        """Give each partition to the waiter of its node."""
        now = monotonic_ms()
        nodes = {number: place.link.node for number, place in self._unassigned.items()}
        lost = [place for number, place in self._unassigned.items() if nodes[number] in (None, place.left)]
        if lost and (self._asked_at is None or now - self._asked_at >= _ASKED_AGAIN_MS):
            self._asked_at = now
            lost[0].link.look_around()
            nodes = {number: place.link.node for number, place in self._unassigned.items()}
        for number, node in nodes.items():
            if node is None:
                continue
            place = self._unassigned.pop(number)
            if place.left == node:  # nobody else is known to have it
                place.refuse()
            place.left = None
            waiter = self._nodes.get(node)
            if waiter is None:
                waiter = self._nodes[node] = NodeWaiter(node, self._telling)
            waiter.add(number, place)
            self._waiter_of[number] = waiter
        for node, waiter in list(self._nodes.items()):
            if waiter.is_empty:
                waiter.close()
                del self._nodes[node]

    def listens_to(self, number: int) -> bool:
        """Whether the worker would be told of a message of this partition now."""
        waiter = self._waiter_of.get(number)
        return waiter is not None and waiter.listens_to(number)

    def close(self) -> None:
        """Close all connections."""
        for waiter in self._nodes.values():
            waiter.close()
