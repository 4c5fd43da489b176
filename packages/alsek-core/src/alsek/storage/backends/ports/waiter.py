"""A worker's sleep until messages may be claimable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from alsek.storage.backends.records import Pushed


class Waiter(ABC):
    """Wakes one worker when a message that it may take is ready. Used by one thread at a time.

    It is made for a loop over ``select``: :meth:`fileno` becomes readable when a claim is worthwhile. When a message
    becomes ready, for any reason, **one** sleeping worker that may take it is woken; a claim that leaves messages
    behind wakes the next one. No wake-up is missed: a message that became ready between the worker's last claim and
    :meth:`arm` also wakes it. A delayed message that is due before all others wakes one worker, so that it can set
    its timer. Wake-ups may be spurious.
    """

    @property
    @abstractmethod
    def interval(self) -> int:
        """The longest time (ms) that the worker sleeps before it claims, wake-up or not. A safety net."""

    @abstractmethod
    def fileno(self) -> int:
        """The file descriptor to select on. It may change: ask before each sleep."""

    @abstractmethod
    def arm(self) -> None:
        """Start waiting for a wake-up. Does nothing if it is armed already. Never blocks for long."""

    @property
    def is_armed(self) -> bool:
        """Whether it is known to wait for a wake-up still, so that :meth:`arm` would do nothing."""
        return False

    @abstractmethod
    def drain(self) -> bool:
        """Read what made :meth:`fileno` readable, without blocking; True if a claim is worthwhile.

        A lost connection also returns True: the next claim reads the store's state.
        """

    @property
    def receives(self) -> bool:
        """Whether pushes reach this waiter now (see :meth:`~alsek.storage.backends.ports.WorkPort.step`)."""
        return False

    def take_pushed(self) -> Sequence[Pushed]:
        """Return the pushes that :meth:`drain` has read since the last call, in the order in which they were sent.

        Some may be lost, or be older than the worker's last step: the caller compares their numbers.
        """
        return ()

    @abstractmethod
    def pass_on(self) -> None:
        """Pass the wake-up on to another worker, because this one cannot claim now."""

    @abstractmethod
    def close(self) -> None:
        """Release the connection. The worker is no longer woken."""
