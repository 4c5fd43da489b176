"""What many masters would carry, by simulation: the costs of steps are measured here, the cluster is computed.

    python benchmarks/shards_simulation.py [--masters 1 3 10 100]

Measured on a Redis of its own: the server's CPU for one submission, and for a step that ends and claims so many
messages (a fixed part and a part a message, by least squares). The worker's own CPU is the figure of
`docs/performance.md`. Simulated is the life of messages at random times in random partitions: each master is one core
with a queue, each group of threads visits one partition after the other among those that have messages, claims up to
32 there, waits for the answer (so it has one step under way, where the real one has more), and computes. Several may
come for the same messages. Partitions lie
on masters by chance, as hash slots have them. Reported is the highest rate at which the backlog does not grow, what it
uses, and how long a message waits at half of that rate.

Not simulated: failures, networks that are full, the noise of other tenants.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import statistics
import sys
from collections import deque
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from process_tree import cpu_seconds  # noqa: E402
from servers import redis_process  # noqa: E402

from alsek.core.message import Message  # noqa: E402
from alsek.storage.backends.records import Submission, Succeeded, Worker  # noqa: E402
from alsek.storage.backends.redis import RedisBackend  # noqa: E402

#: A worker's own CPU for a step and for a message in it, with its task, in seconds (docs/performance.md).
WORKER_STEP_S, WORKER_MESSAGE_S = 50e-6, 22e-6
#: From a worker to a master and back, in seconds: two machines in one rack.
ROUND_TRIP_S = 0.0002
#: Messages in one step, as the worker's turn has it.
TURN = 32
#: For each master: partitions, and groups of threads.
SETUPS = ((4, 2), (4, 6), (16, 2))
#: A group renews its lease in each partition that often, in seconds; one that sleeps also its mark that it waits, which
#: takes the server so long.
RENEWAL_S = 5.0
MARK_S = 16e-6
#: Simulated, in seconds.
SPAN_S = 0.4


class Costs(NamedTuple):
    """The server's CPU in seconds."""

    submission: float
    step: float
    message: float


class Outcome(NamedTuple):
    """What a simulated cluster did at one rate.

    Attributes:
        behind: Of one master's messages the part that waits at the end; of all masters the most.
        busiest: The part of its time that the busiest master works.
        groups: The part of their time that groups compute.
        waits: How long each message waited, in seconds.
    """

    behind: float
    busiest: float
    groups: float
    waits: list[float]


def main() -> None:
    """Measure the costs, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masters", type=int, nargs="+", default=[1, 3, 10, 100])
    options = parser.parse_args()
    costs = _measure()
    print(
        f"Server's CPU: {costs.submission * 1e6:.0f} µs a submission, {costs.step * 1e6:.0f} µs a step and "
        f"{costs.message * 1e6:.1f} µs for each message in it."
    )
    print(
        "| masters | partitions | groups | messages/s, in and out | busiest server | groups busy "
        "| wait at half of that, median and p99 ms | connections of workers a master |"
    )
    print("|" + "---|" * 8)
    for masters, (parts_each, groups_each) in itertools.product(options.masters, SETUPS):
        partitions, groups = masters * parts_each, masters * groups_each
        rate = _most(masters, partitions, groups, costs)
        full, half = (Simulation(masters, partitions, groups, costs).run(rate * part) for part in (1, 0.5))
        waits = sorted(half.waits)
        print(
            f"| {masters} | {partitions} | {groups} | {rate:,.0f} | {full.busiest:.0%} | {full.groups:.0%} "
            f"| {statistics.median(waits) * 1e3:.1f}, {waits[int(len(waits) * 0.99)] * 1e3:.1f} "
            f"| {groups:,} |",
            flush=True,
        )


def _measure() -> Costs:
    with redis_process() as server:
        backend = RedisBackend(server.url)
        ports = backend.messages
        worker = Worker("0" * 32, "thread", None, 600_000, 0)
        ports.register(worker)
        serials = iter(range(10**9))
        seq = 0

        def submission() -> Submission:
            return Message("noop", uuid=f"m{next(serials)}", named=False).submission(backend.serializer)

        def spent(repeats: int, claim: int) -> tuple[float, float]:
            nonlocal seq
            adding, stepping, outcomes = 0.0, 0.0, ()
            for _ in range(repeats):
                began = cpu_seconds(server.pid)
                for _ in range(200):
                    ports.add((submission(),), f"r{next(serials)}")
                middle = cpu_seconds(server.pid)
                for _ in range(200 // claim if claim else 200):
                    seq += 1
                    step = ports.step(worker, seq, outcomes, {"thread": claim})
                    outcomes = tuple(Succeeded(c.uuid, c.queue, c.token) for c in step.claimed)
                adding += middle - began
                stepping += cpu_seconds(server.pid) - middle
            return adding / repeats / 200, stepping / repeats / (200 // claim if claim else 200)

        sizes = (1, 2, 8, 25)
        figures = [spent(60, size) for size in sizes]
        backend.close()
    step, message = statistics.linear_regression(sizes, [stepping for _, stepping in figures])[::-1]
    return Costs(statistics.median(adding for adding, _ in figures), step, message)


def _most(masters: int, partitions: int, groups: int, costs: Costs) -> float:
    """The highest rate at which no master's backlog grows, within 3 %."""
    low, high = 0.0, masters / (costs.submission + costs.message)
    while high - low > 0.03 * high:
        rate = (low + high) / 2
        outcome = Simulation(masters, partitions, groups, costs).run(rate)
        if outcome.behind < 0.05:
            low = rate
        else:
            high = rate
    return low


class Simulation:
    """One cluster and its workers."""

    def __init__(self, masters: int, partitions: int, groups: int, costs: Costs) -> None:
        self._chance = random.Random(7)
        self._costs = costs
        self._master_of = [self._chance.randrange(masters) for _ in range(partitions)]
        self._free_at = [0.0] * masters
        self._used = [0.0] * masters
        self._arrived = [0] * masters
        #: When each message of a partition is stored.
        self._waiting: list[deque[float]] = [deque() for _ in range(partitions)]
        self._filled: dict[int, None] = {}
        self._turns = [self._chance.randrange(partitions) for _ in range(groups)]
        self._waits: list[float] = []
        self._computed = 0.0
        renewals = groups / RENEWAL_S * (costs.step + MARK_S)
        for partition in range(partitions):
            self._used[self._master_of[partition]] += renewals * SPAN_S

    def run(self, rate: float) -> Outcome:
        """Let messages arrive at this rate for the span, and tell what was done in it."""
        # A group that is free, or with a partition the step that it has sent there.
        events: list[tuple[float, int, int | None]] = [
            (0.0, group, None) for group in range(len(self._turns))
        ]
        arrival = self._chance.expovariate(rate)
        sleeping: deque[int] = deque()
        while True:
            if arrival < min(SPAN_S, events[0][0] if events else SPAN_S):
                self._arrive(arrival)
                if sleeping:
                    heapq.heappush(events, (arrival + ROUND_TRIP_S, sleeping.popleft(), None))
                arrival += self._chance.expovariate(rate)
                continue
            if not events or events[0][0] >= SPAN_S:
                break
            now, group, sent = heapq.heappop(events)
            if sent is not None:
                free_at = self._free_at[self._master_of[sent]]
                event = (free_at, group, sent) if free_at > now else (self._step(now, sent), group, None)
                heapq.heappush(events, event)
            elif (partition := self._next(group)) is not None:
                heapq.heappush(events, (now + ROUND_TRIP_S / 2, group, partition))
            else:
                sleeping.append(group)
        waiting = [0] * len(self._free_at)
        for partition, stored in enumerate(self._waiting):
            waiting[self._master_of[partition]] += len(stored)
        behind = max(w / max(1, all_) for w, all_ in zip(waiting, self._arrived, strict=True))
        late = max(self._free_at) / SPAN_S - 1
        busiest = min(1.0, max(self._used) / SPAN_S)
        return Outcome(max(behind, late), busiest, self._computed / SPAN_S / len(self._turns), self._waits)

    def _arrive(self, now: float) -> None:
        partition = self._chance.randrange(len(self._waiting))
        done = self._serve(partition, now, self._costs.submission)
        self._waiting[partition].append(done)
        self._arrived[self._master_of[partition]] += 1
        self._filled[partition] = None

    def _next(self, group: int) -> int | None:
        """The next partition of a group's turn that has messages."""
        many = len(self._waiting)
        for step in range(many):
            partition = (self._turns[group] + step) % many
            if partition in self._filled:
                self._turns[group] = (partition + 1) % many
                return partition
        return None

    def _step(self, now: float, partition: int) -> float:
        """Claim in a partition whose master is free, and run what was claimed; when the group is free again."""
        waiting = self._waiting[partition]
        claimed = [waiting.popleft() for _ in range(min(TURN, len(waiting)))]
        if not waiting:
            self._filled.pop(partition, None)
        answered = self._serve(partition, now, self._costs.step + self._costs.message * len(claimed))
        answered += ROUND_TRIP_S / 2
        computing = WORKER_STEP_S + WORKER_MESSAGE_S * len(claimed)
        self._computed += computing
        self._waits += [answered - stored for stored in claimed]
        return answered + computing

    def _serve(self, partition: int, asked: float, cost: float) -> float:
        """Let the partition's master do something that it is asked for then; when it is done."""
        master = self._master_of[partition]
        done = max(asked, self._free_at[master]) + cost
        self._free_at[master] = done
        self._used[master] += cost
        return done


if __name__ == "__main__":
    main()
