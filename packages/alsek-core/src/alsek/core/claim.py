"""The claim of a message by a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from alsek.storage.backends.records import Claimed

if TYPE_CHECKING:
    from alsek.core.execution.session import WorkerSession


class Claim(NamedTuple):
    """Proof that a worker holds a message now.

    Attributes:
        session: The worker's session with the store.
        claimed: What the store handed out, with the token that it issued for this uuid in this queue.
    """

    session: WorkerSession
    claimed: Claimed

    @property
    def token(self) -> int:
        """The store's number for this claim."""
        return self.claimed.token
