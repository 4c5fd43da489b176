"""One queue of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from heapq import merge

from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages.lines import Place
from alsek.storage.backends.memory.messages.stored_message import Due, StoredMessage


class Queue:
    """The messages of one queue: all by uuid, ready ones by lane and place, delayed ones by due time.

    Attributes:
        messages: All messages, by uuid.
        n_waiting: How many of them wait for a limit or a unique key.
    """

    def __init__(self) -> None:
        self.messages: dict[str, StoredMessage] = {}
        self._ready: dict[Lane, list[Place]] = {}
        self._delayed: list[Due] = []
        self.n_waiting = 0

    def insert(self, message: StoredMessage) -> None:
        """Add a message, at the place that its state says."""
        self.messages[message.uuid] = message
        if message.state == "ready":
            insort(self._ready.setdefault(message.lane, []), message.place)
        elif message.state == "delayed":
            insort(self._delayed, message.due)
        elif message.state == "waiting":
            self.n_waiting += 1

    def remove(self, message: StoredMessage) -> None:
        """Remove a message, from the place that its state says."""
        del self.messages[message.uuid]
        if message.state == "ready":
            places = self._ready[message.lane]
            del places[bisect_left(places, message.place)]
            if not places:
                del self._ready[message.lane]
        elif message.state == "delayed":
            del self._delayed[bisect_left(self._delayed, message.due)]
        elif message.state == "waiting":
            self.n_waiting -= 1

    @property
    def lanes(self) -> Iterable[Lane]:
        """The lanes with something in them."""
        return self._ready.keys()

    @property
    def n_ready(self) -> int:
        """How many messages are ready, in all lanes."""
        return sum(map(len, self._ready.values()))

    @property
    def n_delayed(self) -> int:
        """How many messages are delayed."""
        return len(self._delayed)

    def n_in(self, lane: Lane) -> int:
        """How many messages are ready in a lane."""
        return len(self._ready.get(lane, ()))

    def n_before(self, place: Place) -> int:
        """How many ready messages go before this place; those that are set aside don't count."""
        return sum(bisect_left(places, place) for lane, places in self._ready.items() if not lane.task)

    def fronts(self, most: int) -> Iterator[StoredMessage]:
        """Iterate over the first message of each priority in each lane, for the `most` lowest priorities of a lane."""
        for lane, places in self._ready.items():
            at = 0
            for _ in range(0 if lane.task else most):
                if at == len(places):
                    break
                priority, _, uuid = places[at]
                yield self.messages[uuid]
                at = bisect_left(places, (priority + 1, 0, ""))

    @property
    def next_due(self) -> Due | None:
        """The place of the delayed message that is due first; None if none is delayed."""
        return self._delayed[0] if self._delayed else None

    def ready(self, lanes: Collection[Lane], wanted: Callable[[Lane], bool]) -> Iterator[StoredMessage]:
        """Iterate over the ready messages of some lanes, by (priority, arrival).

        A lane is left out once `wanted` returns False for it.
        """
        for *_, uuid in merge(*(self._places(lane, wanted) for lane in lanes)):
            message = self.messages[uuid]
            if wanted(message.lane):  # merge() has read one further in each lane
                yield message

    def _places(self, lane: Lane, wanted: Callable[[Lane], bool]) -> Iterator[Place]:
        for place in self._ready[lane]:
            if not wanted(lane):
                return
            yield place
