"""How much of what limits allow is used while workers are killed: a simulation, whatever else the machine does.

``python -m benchmarks.limits_under_kills [--seconds 40]``. Admission, claims, suspects and takeovers are the code of
the store in memory; time, processes and tasks are simulated, so only ratios mean anything. The setting is that of the
chaos scenario "limits of 1, 4 and 20 at once": three thread pools with up to two groups of 8 threads, tasks of 200 to
1000 ms, always more messages than places, and a SIGKILL each so often to a group that runs something, or to its pool.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import (
    FOR_EVER,
    Claimed,
    Limit,
    Lost,
    Outcome,
    Retried,
    Submission,
    Succeeded,
    Worker,
)

AMOUNTS: Final = (1, 4, 20)
_TICK_MS: Final = 10
_LEASE_MS: Final = 3_000
_GROUP_STARTS_IN_MS: Final = 300
_POOL_STARTS_IN_MS: Final = 1_000
_RECOVERY_MS: Final = 100
_EARLY_DEATH_MS: Final = 1_000
_THREADS: Final = 8
_GROUPS: Final = 2
_POOLS: Final = 3


@dataclass(eq=False)
class _Group:
    worker: Worker
    slots: int
    started_at: int
    seq: int = 0
    jobs: dict[int, tuple[Claimed, int]] = field(default_factory=dict)
    waiting: bool = False
    sees_suspects: bool = False

    @property
    def for_suspects(self) -> bool:
        return self.worker.suspects == "only"


@dataclass(eq=False)
class _Pool:
    groups: list[_Group] = field(default_factory=list)
    down_until: int = 0
    no_start_before: int = 0
    pause: int = 0


class Storm:
    """One run.

    Args:
        seed: Of all chance.
        every: Milliseconds between two kills; 0 for none.
        whole_pools: The share of kills that hit a supervisor, and with it its pool.
        suspect_groups: How many groups of a pool run suspects at once, at the most.
    """

    def __init__(self, seed: int, every: int, whole_pools: float = 0.0, suspect_groups: int = 1) -> None:
        self._chance = Random(seed)
        self._every = every
        self._whole_pools = whole_pools
        self._suspect_groups = suspect_groups
        self._now = 1_000_000
        self._backend = MemoryBackend(namespace="storm", clock=lambda: self._now)
        self._port = self._backend.messages
        self._numbers = count()
        self._pools = [_Pool() for _ in range(_POOLS)]
        self._recoveries: list[tuple[int, Worker, list[Outcome]]] = []

    def run(self, seconds: int) -> dict[int, tuple[float, float]]:
        """Return of each limit the share of its places in which something ran, and that which waiting suspects held."""
        for pool in self._pools:
            self._start(pool, for_suspects=False)
        begin = self._now + 2_000
        used, suspects, ticks = dict.fromkeys(AMOUNTS, 0), dict.fromkeys(AMOUNTS, 0), 0
        while self._now < begin + seconds * 1_000:
            self._now += _TICK_MS
            self._tick()
            if self._now < begin:
                continue
            if self._every and (self._now - begin) % self._every == 0:
                self._kill()
            if self._now % 100 == 0:
                ticks += 1
                for amount, state in self._places():
                    used[amount] += state == "claimed"
                    suspects[amount] += state == "suspect"
        return {
            amount: (used[amount] / ticks / amount, suspects[amount] / ticks / amount) for amount in AMOUNTS
        }

    def _places(self) -> Iterator[tuple[int, str]]:
        """The messages that run, and the suspects that are ready, by their limit. Those of the dead are neither."""
        running = {
            claimed.uuid for pool in self._pools for each in pool.groups for claimed, _ in each.jobs.values()
        }
        for message in self._backend.messages.table.messages.values():
            amount = int(message.uuid.partition("-")[0])
            if message.uuid in running:
                yield amount, "claimed"
            elif message.state == "ready" and message.suspect:
                yield amount, "suspect"

    def _tick(self) -> None:
        if self._now % 100 == 0:
            self._submit()
        for recovery in [each for each in self._recoveries if each[0] <= self._now]:
            self._recoveries.remove(recovery)
            self._port.retire(*recovery[1:])
        for pool in self._pools:
            if self._now >= pool.down_until:
                self._scale(pool)
                for group in list(pool.groups):
                    if self._now >= group.started_at + _GROUP_STARTS_IN_MS:
                        self._work(pool, group)

    def _submit(self) -> None:
        waiting = {limit.id: limit.waiting for limit in self._port.limits()}
        for amount in AMOUNTS:
            limit = Limit(f"lane-{amount}", amount)
            for _ in range(3 + 2 * amount - waiting.get(limit.id, 0)):
                uuid = f"{amount}-{next(self._numbers)}"
                self._port.add([Submission(uuid, "q", b"", limits=(limit,))], uuid)

    def _start(self, pool: _Pool, *, for_suspects: bool) -> None:
        kept = "only" if for_suspects else "alone"
        worker = Worker(f"w{next(self._numbers)}", "thread", None, _LEASE_MS, FOR_EVER, kept)
        pool.groups.append(_Group(worker, 1 if for_suspects else _THREADS, self._now))

    def _scale(self, pool: _Pool) -> None:
        if self._now < pool.no_start_before:
            return
        regular = [group for group in pool.groups if not group.for_suspects]
        saturated = all(len(group.jobs) >= group.slots and group.waiting for group in regular)
        if saturated and len(regular) < _GROUPS:
            self._start(pool, for_suspects=False)
        if any(group.sees_suspects for group in regular):
            self._start_suspect_group(pool)

    def _start_suspect_group(self, pool: _Pool) -> None:
        if sum(group.for_suspects for group in pool.groups) < self._suspect_groups:
            for group in pool.groups:
                group.sees_suspects = False
            self._start(pool, for_suspects=True)

    def _work(self, pool: _Pool, group: _Group) -> None:
        if not group.seq:
            self._port.register(group.worker)
        ended = [token for token, (_, end) in group.jobs.items() if end <= self._now]
        outcomes = [Succeeded(group.jobs[token][0].uuid, "q", token) for token in ended]
        for token in ended:
            del group.jobs[token]
        free = group.slots - len(group.jobs)
        if any(claimed.suspect for claimed, _ in group.jobs.values()):
            free = 0
        group.seq += 1
        if self._now % 1_000 == 0:
            self._port.renew(group.worker, group.seq - 1, list(group.jobs))
        step = self._port.step(group.worker, group.seq, outcomes, {"thread": free} if free else {})
        group.waiting = bool(step.waiting)
        group.sees_suspects = step.suspects and not group.for_suspects
        for claimed in step.claimed:
            group.jobs[claimed.token] = claimed, self._now + self._chance.randrange(200, 1_000)
        if group.for_suspects and not group.jobs and not step.suspects:
            self._port.retire(group.worker)
            pool.groups.remove(group)

    def _kill(self) -> None:
        victims = [(pool, group) for pool in self._pools for group in pool.groups if group.jobs]
        if not victims:
            return
        pool, group = self._chance.choice(victims)
        if self._chance.random() < self._whole_pools:
            pool.groups.clear()
            pool.down_until = self._now + _POOL_STARTS_IN_MS
            return
        pool.groups.remove(group)
        jobs = [claimed for claimed, _ in group.jobs.values()]
        outcomes: list[Outcome] = [Lost(each.uuid, "q", each.token, suspect=True) for each in jobs]
        if len(jobs) == 1:  # it is charged, and retried after a second
            outcomes = [Retried(jobs[0].uuid, "q", jobs[0].token, 1_000, 1, self._now, None, b"")]
        self._recoveries.append((self._now + _RECOVERY_MS, group.worker, outcomes))
        early = self._now - group.started_at < _EARLY_DEATH_MS
        pool.pause = min(max(100, pool.pause * 2), 5_000) if early else 0
        pool.no_start_before = self._now + pool.pause
        if len(jobs) > 1 and not pool.pause:
            self._start_suspect_group(pool)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="limits_under_kills")
    parser.add_argument("--seconds", type=int, default=40, help="of each run, simulated (default: 40)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each line (default: 3)")
    options = parser.parse_args()
    lines: list[tuple[str, tuple[int, float, int]]] = [("no kills", (0, 0.0, 1))]
    for every in (400, 2_000):
        lines += [
            (f"a group each {every} ms", (every, 0.0, 1)),
            ("the same, four groups for suspects in each pool", (every, 0.0, 4)),
            (f"a group or, one time in four, a pool each {every} ms", (every, 0.25, 1)),
        ]
    print("killed | used of 1, 4, 20 (held by suspects that wait)")
    for name, (every, whole_pools, suspect_groups) in lines:
        runs = [
            Storm(seed, every, whole_pools, suspect_groups).run(options.seconds)
            for seed in range(options.seeds)
        ]
        cells = [
            f"{sum(run[amount][0] for run in runs) / len(runs):.0%}"
            f" ({sum(run[amount][1] for run in runs) / len(runs):.0%})"
            for amount in AMOUNTS
        ]
        print(name, "|", ", ".join(cells), flush=True)


if __name__ == "__main__":
    main()
