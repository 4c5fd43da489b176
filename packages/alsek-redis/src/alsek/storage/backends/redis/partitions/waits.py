"""Waiting on the token lists of partitions, with ``BLPOP``."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any, Final, Protocol

from alsek.core.clock import monotonic_ms
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.ports.codec import pushed_from
from alsek.storage.backends.redis.ports.port_set import PortSet
from alsek.storage.backends.redis.wakeup.push_receiver import PushReceiver
from alsek.storage.backends.redis.wakeup.thread_waiter import ThreadWaiter
from alsek.storage.backends.redis.wakeup.waiter import SocketWaiter, token_lists

#: A wait that has ended so shortly ago counts as one that lasts.
_JUST_MS: Final = 50


class Connected(Protocol):
    """One connection that waits, of some partitions."""

    def fileno(self) -> int | None: ...

    def drain(self) -> object: ...

    def take_woken(self) -> set[int]: ...


class Waits(Protocol):
    """The connections of a worker that waits."""

    @property
    def interval(self) -> int: ...

    @property
    def waiters(self) -> Sequence[Connected]: ...

    def arm(self) -> None: ...

    def listens_to(self, number: int) -> bool: ...

    def close(self) -> None: ...


class ListWaits:
    """One connection on one server, and one for each partition on a cluster, where ``BLPOP`` can't span slots.

    Args:
        sets: The ports of each partition.
        worker: The worker.
        slot: As in :meth:`~alsek.storage.backends.ports.WorkPort.waiter`.
        pass_on: Wakes another worker in place of this one, in the partition of this number.
        does_without: Told of partitions on whose lists it can't wait; returns whether others are left.
        away: Returns the partitions that are away.

    Attributes:
        waiters: The connections, without those of partitions that were away when they were armed last.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        worker: Worker,
        slot: SlotKind | None,
        pass_on: Callable[[int], None],
        does_without: Callable[[Set[int]], bool] = lambda _: False,
        away: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self._pass_on = pass_on
        self._does_without, self._away = does_without, away
        lists = [{name.encode(): number for name in token_lists(part.keys, worker, slot)}
                 for number, part in enumerate(sets)]  # fmt: skip
        if sets[0].link.cluster:
            pairs = zip(sets, lists, strict=True)
            self._all = [self._waiter(part.link, names) for part, names in pairs]
        else:
            together = {name: number for names in lists for name, number in names.items()}
            self._all = [self._waiter(sets[0].link, together)]
        self.waiters = self._all

    def _waiter(self, link: Link, numbers: dict[bytes, int]) -> _ThreadPart | _SocketPart:
        return (_SocketPart if link.direct else _ThreadPart)(link, numbers, self._pass_on)

    @property
    def interval(self) -> int:
        """As that of a waiter."""
        return min(waiter.interval for waiter in self._all)

    def arm(self) -> None:
        """As that of a waiter."""
        self.waiters = [waiter for waiter in self._all if self._armed(waiter)]

    def _armed(self, waiter: _ThreadPart | _SocketPart) -> bool:
        """Arm it, and return True; not if its partitions are away."""
        if waiter.partitions <= self._away():
            return False
        try:
            waiter.arm()
        except BackendUnavailableError:
            if not self._does_without(waiter.partitions):
                raise
            return False
        return True

    def listens_to(self, number: int) -> bool:
        """Whether a message of this partition would wake the worker now."""
        waiter = self._all[number] if len(self._all) > 1 else self._all[0]
        return waiter.armed

    def close(self) -> None:
        """As that of a waiter."""
        for waiter in self._all:
            waiter.close()


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
        self._woken: set[int] = set()
        self._ended_at = 0

    @property
    def partitions(self) -> Set[int]:
        """The partitions whose lists these are."""
        return set(self._numbers.values())

    @property
    def armed(self) -> bool:
        """Whether the server waits on the lists, as far as was read, or did until now."""
        return self._armed_at is not None or monotonic_ms() - self._ended_at < _JUST_MS

    def drain(self) -> bool:
        worthwhile = super().drain()
        if worthwhile:
            tokens, self._tokens = self._tokens, set()
            self._woken |= tokens or set(self._numbers.values())
        return worthwhile

    def take_woken(self) -> set[int]:
        """The partitions whose lists have had tokens since the last call; all of them if that is not known."""
        woken, self._woken = self._woken, set()
        return woken

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
        self._woken: set[int] = set()

    @property
    def partitions(self) -> Set[int]:
        """The partitions whose lists these are."""
        return set(self._numbers.values())

    def drain(self) -> bool:
        worthwhile = super().drain()
        if worthwhile:
            self._woken = set(self._numbers.values())
        return worthwhile

    def take_woken(self) -> set[int]:
        """All partitions, if it was woken: it is not known whose lists have had tokens."""
        woken, self._woken = self._woken, set()
        return woken


def _pass_on_all(numbers: dict[bytes, int], pass_on: Callable[[int], None]) -> None:
    for number in sorted(set(numbers.values())):
        pass_on(number)
