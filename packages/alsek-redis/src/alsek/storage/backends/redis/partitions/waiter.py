"""Waiting for messages of all partitions."""

from __future__ import annotations

import contextlib
import selectors
from collections.abc import Callable, Sequence
from typing import Any, Final

from alsek.core.clock import monotonic_ms
from alsek.exceptions import BackendError
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.ports.codec import pushed_from
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.wakeup.push_receiver import PushReceiver
from alsek.storage.backends.redis.wakeup.thread_waiter import ThreadWaiter
from alsek.storage.backends.redis.wakeup.waiter import SocketWaiter, token_lists

#: A wait that has ended so shortly ago counts as one that lasts.
_JUST_MS: Final = 50


class PartitionedWaiter(Waiter):
    """A worker's sleep on the token lists of all partitions.

    One server waits on all lists in one command. The nodes of a cluster can't: there each partition has a connection of
    its own.

    Args:
        sets: The ports of each partition.
        worker: The worker.
        slot: As in :meth:`~alsek.storage.backends.ports.WorkPort.waiter`.
        pass_on: Wakes another worker in place of this one, in the partition of this number.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        worker: Worker,
        slot: SlotKind | None,
        pass_on: Callable[[int], None],
    ) -> None:
        self._pass_on = pass_on
        self._woken: set[int] = set()
        #: Its descriptor is readable when one of its own is: so with epoll and kqueue.
        self._selector: Any = None
        lists = [{name.encode(): number for name in token_lists(part.keys, worker, slot)}
                 for number, part in enumerate(sets)]  # fmt: skip
        if sets[0].link.cluster:
            pairs = zip(sets, lists, strict=True)
            self._waiters = [self._waiter(part.link, names) for part, names in pairs]
        else:
            together = {name: number for names in lists for name, number in names.items()}
            self._waiters = [self._waiter(sets[0].link, together)]
        self.closed = False

    def _waiter(self, link: Link, numbers: dict[bytes, int]) -> _ThreadPart | _SocketPart:
        return (_SocketPart if link.direct else _ThreadPart)(link, numbers, self._pass_on)

    @property
    def interval(self) -> int:
        return min(waiter.interval for waiter in self._waiters)

    def fileno(self) -> int:
        if len(self._waiters) == 1:
            return self._waiters[0].fileno()
        if self._selector is None:
            self.arm()
        selector = self._selector
        assert selector is not None
        return int(selector.fileno())

    def arm(self) -> None:
        for waiter in self._waiters:
            waiter.arm()
        if len(self._waiters) > 1:
            # A new one each time: a connection that was closed has left the old one, and its number may be used again.
            self._close_selector()
            self._selector = selectors.DefaultSelector()
            for waiter in self._waiters:
                self._selector.register(waiter.fileno(), selectors.EVENT_READ, waiter)

    def drain(self) -> bool:
        return bool(self.look())

    def look(self) -> set[int]:
        """Read what has arrived; the numbers of the partitions that have woken the worker, and were not visited yet."""
        for waiter in self._ready():
            if waiter.drain():
                self._woken |= waiter.take_woken()
        return self._woken

    def visited(self, number: int) -> None:
        """Take in that the worker has sent a step to a partition: that has woken another worker if need be."""
        self._woken.discard(number)

    def listens_to(self, number: int) -> bool:
        """Whether a message of this partition would wake the worker now."""
        waiter = self._waiters[number] if len(self._waiters) > 1 else self._waiters[0]
        return waiter.armed

    def _ready(self) -> list[_ThreadPart | _SocketPart]:
        if len(self._waiters) == 1:
            return self._waiters
        if self._selector is None:
            return []
        return [key.data for key, _ in self._selector.select(0)]

    def pass_on(self) -> None:
        while self._woken:
            number = next(iter(self._woken))
            self._pass_on(number)
            self._woken.discard(number)

    def close(self) -> None:
        self.closed = True
        self._close_selector()
        for waiter in self._waiters:
            waiter.close()
        with contextlib.suppress(BackendError):
            self.pass_on()

    def _close_selector(self) -> None:
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()


class _SocketPart(SocketWaiter):
    """A connection that waits on the lists of one or more partitions.

    Args:
        link: To their server.
        numbers: By list the number of its partition.
        pass_on: Wakes another worker in place of this one, in the partition of this number.
    """

    def __init__(self, link: Link, numbers: dict[bytes, int], pass_on: Callable[[int], None]) -> None:
        names = [name.decode() for name in numbers]
        super().__init__(link, names, lambda: _pass_on_all(numbers, pass_on), PushReceiver(None, pushed_from))
        self._numbers = numbers
        self._tokens: set[int] = set()
        self._ended_at = 0

    @property
    def armed(self) -> bool:
        """Whether the server waits on the lists, as far as was read, or did until now."""
        return self._armed_at is not None or monotonic_ms() - self._ended_at < _JUST_MS

    def take_woken(self) -> set[int]:
        """The partitions whose lists have had tokens since the last call; all of them if that is not known."""
        tokens, self._tokens = self._tokens, set()
        return tokens or set(self._numbers.values())

    def _take(self, reply: Any) -> bool:
        if reply is None or type(reply) is list:
            self._ended_at = monotonic_ms()
        if type(reply) is list:
            self._tokens.add(self._numbers[reply[0]])
        return super()._take(reply)


class _ThreadPart(ThreadWaiter):
    """The same for a client without connections that can be used directly."""

    #: Nothing is known of what its thread waits for.
    armed: Final = False

    def __init__(self, link: Link, numbers: dict[bytes, int], pass_on: Callable[[int], None]) -> None:
        super().__init__(link, [name.decode() for name in numbers], lambda: _pass_on_all(numbers, pass_on))
        self._numbers = numbers

    def take_woken(self) -> set[int]:
        """All partitions: it is not known whose lists have had tokens."""
        return set(self._numbers.values())


def _pass_on_all(numbers: dict[bytes, int], pass_on: Callable[[int], None]) -> None:
    for number in sorted(set(numbers.values())):
        pass_on(number)
