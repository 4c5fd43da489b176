"""The outcomes of one worker for partitions that are away: it is not known whether they were accepted.

Those of a visit that was not answered are sent again with it
(:mod:`~alsek.storage.backends.redis.partitions.late_visits`). Further ones wait until the partition is back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alsek.storage.backends.records import Outcome, Report
from alsek.storage.backends.redis.partitions.late_visits import Answered, LateVisit, LateVisits


class Untold:
    """Keeps them. Used by the thread that makes the rounds.

    Args:
        late: Makes the visits again that were not answered.

    Attributes:
        away: The partitions that this round does without.
    """

    def __init__(self, late: LateVisits) -> None:
        self.late = late
        self.away: frozenset[int] = frozenset()
        self._waiting: dict[int, list[Outcome]] = {}
        #: Those whose visit of this round was handed over. They are not visited again with its number.
        self._handed_over: set[int] = set()

    def begin_round(self) -> None:
        """A round begins."""
        self._handed_over.clear()

    def collect(self) -> list[Answered]:
        """What was answered late since the last call. From now on the round visits those that are back."""
        answered, away = self.late.take()
        self.away = away | self._handed_over if self._handed_over else away
        return answered

    def sendable(self, outcomes: Mapping[int, Sequence[Outcome]]) -> Mapping[int, Sequence[Outcome]]:
        """The outcomes for partitions that are there, after those that have waited for them. The others wait."""
        if not self.away and not self._waiting:
            return outcomes
        self.leave(outcomes)
        ready = {number: mine for number, mine in self._waiting.items() if number not in self.away}
        for number in ready:
            del self._waiting[number]
        return ready

    def leave(self, outcomes: Mapping[int, Sequence[Outcome]]) -> None:
        """Let these outcomes wait, unless their visit was handed over in this round."""
        for number, mine in outcomes.items():
            if number not in self._handed_over:
                self._waiting.setdefault(number, []).extend(mine)

    def hand_over(self, visit: LateVisit, mates: frozenset[int]) -> None:
        """Do without the partition of a visit that was not answered, and without those on the same node."""
        self.late.add([visit], mates)
        self._handed_over.add(visit.number)
        self.away |= {visit.number, *mates}

    def all(self) -> dict[int, list[Outcome]]:
        """By partition the outcomes of which it is not known whether they were accepted, in their order."""
        found: dict[int, list[Outcome]] = {}
        for visit in self.late.open:
            found.setdefault(visit.number, []).extend(visit.outcomes)
        for number, mine in self._waiting.items():
            found.setdefault(number, []).extend(mine)
        return found

    def tokens(self) -> frozenset[int]:
        """The tokens of the claims that these outcomes end."""
        return frozenset(token for mine in self.all().values() for token in ended(mine))


def ended(outcomes: Sequence[Outcome]) -> set[int]:
    """The tokens of the claims that these outcomes end."""
    return {outcome.token for outcome in outcomes if type(outcome) is not Report}
