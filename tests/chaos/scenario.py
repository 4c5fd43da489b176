"""What a scenario is, and how one is run from the raising of its stage to the judge's verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos import stopping
from tests.chaos.environment import Stage
from tests.chaos.exception_text import told
from tests.chaos.stores import StoreKind
from tests.chaos.verification import Verdict


@dataclass(frozen=True)
class Scale:
    """How much of it.

    Attributes:
        seconds: How long the faults go on.
        long: Whether this is the long form: the numbers of the issue, where they need more than some seconds.
    """

    seconds: float = 3.0
    long: bool = False

    def pick(self, short: Any, long: Any) -> Any:
        """One of two, by the form."""
        return long if self.long else short


@dataclass(frozen=True)
class Scenario:
    """A way to make trouble.

    Attributes:
        name: In words.
        play: Does it: submits, hurts, and leaves the stage settled.
        stages: On which store, with which pool.
        short: Those of the short form.
        options: Of the stage.
        judged: What else must hold, after the verdict; what does not, in words.
        faultless: Nothing breaks in it. In any other one a run without a single fault shows nothing, and fails.
    """

    name: str
    play: Callable[[Stage, Scale], None]
    stages: tuple[tuple[StoreKind, str], ...]
    short: tuple[tuple[StoreKind, str], ...]
    options: dict[str, Any] = field(default_factory=dict)
    judged: Callable[[Stage, Verdict], list[str]] = lambda stage, verdict: []
    faultless: bool = False


@dataclass
class Row:
    """What one run of a scenario came to: a line of the table."""

    scenario: str
    store: str
    pool: str
    messages: int = 0
    faults: int = 0
    lost: int = 0
    doubles: int = 0
    refused: int = 0
    again: int = 0
    twice: int = 0
    failovers: int = 0
    recovery: float | None = None
    took: float = 0.0
    problems: list[str] = field(default_factory=list)
    note: str = ""
    log: str = ""

    @property
    def good(self) -> bool:
        """Nothing lost, nothing accepted twice, and all else as it must be."""
        return not self.problems


THREAD, PROCESS = "thread-pool", "process-pool"
SQLITE: StoreKind = "sqlite"
REDIS: StoreKind = "redis"
PARTITIONS: StoreKind = "partitions"
CLUSTER: StoreKind = "cluster"
SENTINEL: StoreKind = "sentinel"
PARTITIONED_CLUSTER: StoreKind = "partitions on a cluster"
PARTITIONED_SENTINEL: StoreKind = "partitions and sentinels"

#: The registry, in the order of the table.
SCENARIOS: list[Scenario] = []


def scenario(
    name: str,
    *,
    stores: tuple[StoreKind, ...] = (SQLITE, REDIS),
    pools: tuple[str, ...] = (THREAD, PROCESS),
    short: tuple[tuple[StoreKind, str], ...] | None = None,
    judged: Callable[[Stage, Verdict], list[str]] = lambda stage, verdict: [],
    faultless: bool = False,
    **options: Any,
) -> Callable[[Callable[[Stage, Scale], None]], Callable[[Stage, Scale], None]]:
    """Register a function as a scenario on each of these stores with each of these pools.

    Args:
        name: In words.
        stores: On which.
        pools: With which.
        short: Which of these combinations are in the short form; by default all.
        judged: What else must hold in the end.
        faultless: Nothing breaks in it.
        options: Of the stage.
    """
    stages = tuple((store, pool) for store in stores for pool in pools)

    def register(play: Callable[[Stage, Scale], None]) -> Callable[[Stage, Scale], None]:
        SCENARIOS.append(
            Scenario(name, play, stages, short if short is not None else stages, options, judged, faultless)
        )
        return play

    return register


#: How often a run is played at most in which sentinels have promoted two servers, one after the other.
_ATTEMPTS: Final = 3
#: So many problems of a kind are shown.
_SHOWN: Final = 8


def run(what: Scenario, store: StoreKind, pool: str, scale: Scale, seed: int = 0) -> Row:
    """Play it, stop all pools, and judge. Whatever goes wrong is in the row's `problems`.

    On a machine that is too busy, a sentinel that lags behind the others promotes another server than they just have:
    what that one had acknowledged alone is gone, and nobody promises it. A run that fails so is played again, and its
    row says so.
    """
    row, played = _run(what, store, pool, scale, seed), 1
    while not row.good and row.failovers > 1 and played < _ATTEMPTS:
        row, played = _run(what, store, pool, scale, seed), played + 1
    if played > 1:
        row.note = f"{row.note} sentinels promoted two servers: played {played} times".strip()
    return row


def _run(what: Scenario, store: StoreKind, pool: str, scale: Scale, seed: int) -> Row:
    begun = time.monotonic()
    row = Row(what.name, store, pool.removesuffix("-pool"))
    stage: Stage | None = None
    try:
        stage = Stage(store, pool, seed, **what.options)
        stopping.opened(stage)
        what.play(stage, scale)
        stage.stop()
        row.failovers = stage.store.failovers
        _judge(what, stage, row)
    except Exception as error:  # noqa: BLE001 (whatever it is belongs in the table, and the other scenarios go on)
        row.problems.append(told(error))
    finally:
        if stage is not None:
            if row.problems:
                row.log = _told(stage)
            stopping.close(stage)
    row.took = time.monotonic() - begun
    return row


def _judge(what: Scenario, stage: Stage, row: Row) -> None:
    verdict = stage.verdict()
    row.messages, row.faults, row.refused = verdict.messages, stage.faults, stage.refused()
    row.lost, row.doubles = len(verdict.lost), len(verdict.doubles)
    row.again, row.twice = verdict.again, verdict.twice
    row.recovery, row.note = stage.recovery, stage.note
    row.problems += _some("lost", verdict.lost) + _some("accepted twice", verdict.doubles)
    if not stage.faults and not what.faultless:
        row.problems.append("no fault struck: the run shows nothing")
    row.problems += verdict.stray + stage.problems + what.judged(stage, verdict)


def _some(what: str, texts: list[str]) -> list[str]:
    """The first of these problems, and how many more there are: so that others are seen beside them."""
    told = [f"{what}: {text}" for text in texts[:_SHOWN]]
    return told + ([f"{what}: {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else [])


def _told(stage: Stage) -> str:
    """Logs and journal, as far as a person will read them."""
    logs = "\n".join(f"── pool {n}\n{pool.log[-6000:]}" for n, pool in enumerate(stage.pools))
    path: Path = stage.journal
    return f"{logs}\n── journal\n{path.read_text()[-3000:] if path.exists() else ''}"
