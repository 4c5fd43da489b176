"""Whether the workers of a namespace may sleep by subscription."""

from __future__ import annotations

import re
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger

log = guarded_logger(__name__)

_LACKS_RIGHTS: Final = re.compile("NOPERM|can't run this command")
#: After a refusal it is tried again after so long: users get rights, and producers are replaced.
_AGAIN_MS: Final = 600_000


class Telling:
    """What was found out: no server or user may stand in the way."""

    def __init__(self) -> None:
        self._refused_at: int | None = None
        self._told: set[str] = set()

    @property
    def works(self) -> bool:
        """Whether it works, as far as is known."""
        return self._refused_at is None or monotonic_ms() - self._refused_at > _AGAIN_MS

    def refuse(self, where: str, error: str) -> None:
        """Take in that a server has refused the commands for it. What it refuses after that says nothing more."""
        if not self.works:
            return
        if "unknown command" in error:  # before Redis 7
            self._stop(where, "it has no sharded publications")
        else:
            remedy = "; docs/cluster.md has the rules (ACL)" if _LACKS_RIGHTS.search(error) else ""
            self._stop(where, f"{error.strip()}{remedy}", warn=True)

    def miss(self, where: str) -> None:
        """Take in that a worker was to be told, and was not."""
        self._stop(
            where,
            "someone who submits messages can't tell workers of them: a user without +spublish, or an earlier version "
            "of Alsek",
            warn=True,
        )

    def _stop(self, where: str, why: str, warn: bool = False) -> None:
        self._refused_at = monotonic_ms()
        if why not in self._told:
            self._told.add(why)
            say = log.warning if warn else log.info
            say("%s: waiting workers have a connection for each partition, not for each node: %s", where, why)
