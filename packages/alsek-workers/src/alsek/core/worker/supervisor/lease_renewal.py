"""Renewing the leases of living groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alsek.core.loggers import guarded_logger
from alsek.core.worker.supervisor.groups import Groups
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.ports import MessagePort

log = guarded_logger(__name__)

#: The longest that renewing one lease may take: signals, deaths and deadlines wait meanwhile.
_CALL_MS: Final = 1_000
#: The longest pause after a renewal that failed.
_AGAIN_MS: Final = 1_000


def longest_call_ms(lease: int) -> int:
    """How long renewing one lease may take."""
    return min(lease // 3, _CALL_MS)


class LeaseRenewal:
    """Renews the lease of each living group every third of the lease.

    Args:
        groups: The groups.
        messages: The store. A call must end within :func:`longest_call_ms`.
        clock: Returns monotonic ms. A renewal that fails may have taken long.

    Attributes:
        store_unreachable: The last round of renewals failed.
    """

    def __init__(self, groups: Groups, messages: MessagePort, clock: Callable[[], int]) -> None:
        self.store_unreachable = False
        self._groups = groups
        self._messages = messages
        self._clock = clock
        self._interval = groups.pool.lease // 3
        self._renew_at = 0
        # If a part of the store is away, the leases in the others were renewed: only one call of a round waits for it.
        self._slow = longest_call_ms(groups.pool.lease) // 4

    def next_wake(self) -> int:
        """When the next round is due."""
        return self._renew_at

    def run(self, now: int) -> None:
        """Renew all leases, if that is due."""
        if now < self._renew_at:
            return
        self._renew_at = now + self._interval
        failed, slow = False, 0
        for group in self._groups.handles:
            worker_id = group.state.worker_id
            if worker_id is None:
                continue
            seq = group.state.seq
            tokens = [entry.token for entry in group.state.claims()]
            if group.state.worker_id != worker_id:
                continue  # it is registering again just now
            begun = self._clock()
            try:
                self._messages.renew(self._groups.worker(worker_id), seq, tokens)
            except WorkerUnknownError:
                continue  # the group gets this error too, and registers again
            except BackendError as error:
                self._renew_at = self._clock() + min(_AGAIN_MS, self._interval)
                if not self.store_unreachable:
                    log.warning("Leases can't be renewed: %s", error)
                self.store_unreachable = failed = True
                if isinstance(error, BackendUnavailableError) and self._clock() - begun >= self._slow:
                    slow += 1
                    if slow > 1:
                        break  # each further call would take as long
        self.store_unreachable = failed
