"""What was measured: for each case, contestant and figure the values of all rounds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Spread(NamedTuple):
    """A figure over all rounds."""

    median: float
    least: float
    most: float


class Scores:
    """Collects figures and failures."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], dict[str, list[float]]] = {}
        self.failures: dict[tuple[str, str], str] = {}
        #: Of each run whose figures these are: how many rounds, and what else it was told.
        self.runs: list[str] = []

    def add(self, case: str, who: str, figures: Mapping[str, float]) -> None:
        """The figures of one round."""
        kept = self._values.setdefault((case, who), {})
        for name, value in figures.items():
            kept.setdefault(name, []).append(value)

    def fail(self, case: str, who: str, why: str) -> None:
        """It did not do it in this round."""
        self.failures[case, who] = why

    def save(self, path: Path) -> None:
        """Write all figures to a file, for a later run of other cases."""
        kept = [[case, who, figures] for (case, who), figures in self._values.items()]
        failures = [[case, who, why] for (case, who), why in self.failures.items()]
        path.write_text(
            json.dumps({"values": kept, "failures": failures, "runs": self.runs}), encoding="utf-8"
        )

    def load(self, path: Path) -> None:
        """Take in what an earlier run has saved."""
        saved = json.loads(path.read_text(encoding="utf-8"))
        self._values = {(case, who): figures for case, who, figures in saved["values"]}
        self.failures = {(case, who): why for case, who, why in saved["failures"]}
        self.runs = saved["runs"]

    def names(self, case: str) -> list[str]:
        """All figures of a case, in the order in which they were first seen."""
        return list(
            dict.fromkeys(name for (c, _), values in self._values.items() if c == case for name in values)
        )

    def who(self, case: str) -> list[str]:
        """All that have figures of a case."""
        return [who for c, who in self._values if c == case]

    def spread(self, case: str, who: str, name: str) -> Spread | None:
        """A figure; None if there is none."""
        values = self._values.get((case, who), {}).get(name)
        if not values:
            return None
        return Spread(statistics.median(values), min(values), max(values))

    def best(self, case: str, name: str, among: list[str], *, most: bool) -> str | None:
        """The library with the best median, of those that have one."""
        found = {who: spread.median for who in among if (spread := self.spread(case, who, name)) is not None}
        if not found:
            return None
        return (max if most else min)(found, key=lambda who: found[who])

    def behind(self, case: str, who: str, name: str, among: list[str], *, most: bool) -> bool:
        """Whether the best of these libraries is more than twice as good."""
        best, own = self.best(case, name, among, most=most), self.spread(case, who, name)
        if best is None or own is None:
            return False
        leader = self.spread(case, best, name)
        assert leader is not None
        return own.median < leader.median / 2 if most else own.median > leader.median * 2
