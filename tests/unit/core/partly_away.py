"""A store of which a part is away: of some messages it can't take the outcomes yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import HistoryCounts, Outcome, Step, Worker
from tests.unit.core.fakes import LossyBackend, LossyMessages


class PartlyAwayMessages(LossyMessages):
    """A message port that keeps the outcomes of some messages until their part is back.

    Attributes:
        away: The uuids of the messages in the part that is away; None while nothing is away.
        given: The tokens of all outcomes that steps had.
    """

    away: frozenset[str] | None = None

    def __init__(self, inner: MessagePort, plan: list[str]) -> None:
        super().__init__(inner, plan)
        self._kept: list[Outcome] = []
        self.given: list[int] = []

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        **pushes: Any,
    ) -> Step:
        """As the port's."""
        self.given += [outcome.token for outcome in outcomes]
        away = self.away or frozenset()
        every = [*self._kept, *outcomes]
        self._kept = [outcome for outcome in every if outcome.uuid in away]
        there = [outcome for outcome in every if outcome.uuid not in away]
        answer = super().step(worker, seq, there, limits, history, **pushes)
        if self.away is None:
            return answer
        return answer._replace(unknown=frozenset(outcome.token for outcome in self._kept))


class PartlyAwayBackend(LossyBackend):
    """A store with such a port."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        super().__init__(clock=clock)
        inner: MessagePort = MemoryBackend.messages.fget(self)  # type: ignore[attr-defined]
        self.partly = PartlyAwayMessages(inner, self.plan)
        self.lossy = self.partly
