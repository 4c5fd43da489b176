"""What is measured of every contestant: each case takes one of them in one round and answers named figures.

All times are bounded: a library that does not finish is reported as failed, and the others go on.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks import baseline as bare
from benchmarks import process_tree as proctree
from benchmarks import redis_monitor as watching
from benchmarks.adapters import measurements
from benchmarks.peers import PROCESSES, QUEUES, Contestant
from benchmarks.round import ADAPTERS, Ring, RoundError

Figures = Mapping[str, float]

#: Tasks at once, in a worker that has threads.
_AT_ONCE = 8


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        messages: To submit, and to drain.
        few: To drain with a process for each.
        computing: Messages that compute for ten milliseconds each.
        waits: Latencies and round trips.
        delayed: Delayed messages.
        steady: Seconds of a steady load.
        idle: Seconds of watching an idle worker.
        backlogs: How many messages wait while steps are timed.
    """

    messages: int
    few: int
    computing: int
    waits: int
    delayed: int
    steady: int
    idle: float
    backlogs: tuple[int, ...]


QUICK = Sizes(2_000, 100, 300, 50, 25, 4, 4.0, (1_000, 20_000))
FULL = Sizes(10_000, 400, 600, 200, 100, 6, 10.0, (1_000, 100_000, 1_000_000))


@dataclass(frozen=True)
class Case:
    """One thing that is measured.

    Attributes:
        name: On the command line.
        title: In tables.
        main: The figure that is compared.
        more_is_better: Whether the largest is best.
        takes: Who can take part.
        run: Measures.
        keep: With results, and with statuses where it has them.
        once: In the first round only: it takes long and varies little, or it is looked at and has no target.
        coroutines: Of ``async def`` tasks.
        queues: So many are used.
    """

    name: str
    title: str
    main: str
    more_is_better: bool
    takes: Callable[[Contestant], bool]
    run: Callable[[Ring, Sizes], Figures]
    keep: bool = False
    once: bool = False
    coroutines: bool = False
    queues: int = 0


def _submitting(what: str) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        # A bulk is over in no time: more of it.
        n = sizes.messages * (2 if what == "bulk" else 1)
        told = ring.drive(what, n, 120)
        return {"per second": n / told["seconds"], "producer CPU µs": told["cpu"] / n * 1e6}

    return run


def _draining(layout: str, *, few: bool = False) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        n = sizes.few if few else ring.contestant.share(sizes.messages)
        figures: dict[str, float] = {}
        first_few = n // 20  # so that scripts and the like are not counted as messages' memory
        ring.drive("fill", first_few, 60)
        before = _memory(ring)
        ring.drive("fill", n - first_few, 120)
        if ring.server is not None:
            figures["bytes a waiting message"] = (_memory(ring) - before) / (n - first_few)
        with ring.workers(layout) as workers:
            first = ring.await_ticks(1, 60)
            began, cpu, server = time.perf_counter(), _cpu(workers), _server_cpu(ring)
            ring.await_ticks(n, max(60.0, n / 25))
            took = time.perf_counter() - began
            time.sleep(0.3)  # what is left to acknowledge belongs to it
            done = n - first
            figures["per second"] = done / took
            figures["worker CPU µs"] = (_cpu(workers) - cpu) / done * 1e6
            if ring.server is not None:
                figures["server CPU µs"] = (_server_cpu(ring) - server) / done * 1e6
            sizes_mib = [size for worker in workers for size in proctree.pss_mib(worker)]
            figures["PSS MiB, all"] = sum(sizes_mib)
            figures["PSS MiB, largest process"] = max(sizes_mib)
        return figures

    return run


def _computing(*layouts: str) -> Callable[[Ring, Sizes], Figures]:
    """Of several layouts the first that the contestant has."""

    def run(ring: Ring, sizes: Sizes) -> Figures:
        n = sizes.computing
        layout = next(each for each in layouts if each in ring.contestant.commands)
        ring.drive("fill-computing", n, 60)
        before = bare.compute(PROCESSES, n // 4)
        with ring.workers(layout) as workers:
            first = ring.await_ticks(PROCESSES, 60)
            began, cpu = time.perf_counter(), _cpu(workers)
            # Not to the very last: at the end one process is idle while the other runs its last.
            count = ring.await_ticks(n - PROCESSES, 60 + n / 10)
            took = time.perf_counter() - began
            spent = (_cpu(workers) - cpu) / (count - first)
        # What the machine gives to others meanwhile changes from second to second.
        after = bare.compute(PROCESSES, n // 4)
        ideal, rate = (before.rate + after.rate) / 2, (count - first) / took
        return {
            "% of the ideal": 100 * rate / ideal,
            "per second": rate,
            "ideal per second": ideal,
            "CPU µs beside the task": (spent - (before.cpu + after.cpu) / 2) * 1e6,
        }

    return run


def _some(ring: Ring, layout: str, n: int, seconds: float) -> Figures:
    """Run what waits in the store, or for so long as much as is run of it."""
    with ring.workers(layout) as workers:
        first = ring.await_ticks(min(10, n), 60)
        began, cpu, server = time.perf_counter(), _cpu(workers), _server_cpu(ring)
        done = ring.await_ticks_for(n, seconds)
        took = time.perf_counter() - began
        if done - first < 2:
            raise RoundError(f"{done} of {n} tasks in {seconds:.0f} s")
        figures = {
            "per second": (done - first) / took,
            "worker CPU µs": (_cpu(workers) - cpu) / (done - first) * 1e6,
        }
        if ring.server is not None:
            figures["server CPU µs"] = (_server_cpu(ring) - server) / (done - first) * 1e6
        return figures


def _delayed(milliseconds: int) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        n = ring.contestant.share(sizes.messages)
        ring.drive("fill", n, 120)
        with ring.delayed(milliseconds):
            return _some(ring, "threads", n, sizes.steady)

    return run


def _sized(kilobytes: int) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        n = ring.contestant.share(sizes.messages // (5 if kilobytes > 10 else 2))
        told = ring.drive("fill-sized", n, 120, kilobytes * 1_000)
        figures = _some(ring, "threads", n, sizes.steady * 3)
        submitted = {"submitted per second": n / told["seconds"], "producer CPU µs": told["cpu"] / n * 1e6}
        return {**figures, **submitted}

    return run


def _waits(milliseconds: int) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        n = min(sizes.messages, sizes.steady * _AT_ONCE * 1_000 // milliseconds)
        ring.drive("fill-waiting", n, 120, milliseconds)
        figures = _some(ring, "threads", n, sizes.steady * 2)
        ideal = _AT_ONCE * 1_000 / milliseconds
        return {"% of the ideal": 100 * figures["per second"] / ideal, **figures}

    return run


def _of_queues(ring: Ring, sizes: Sizes) -> Figures:
    n = ring.contestant.share(sizes.messages)
    ring.drive("fill-queued", n, 120, QUEUES)
    return _some(ring, "queues", n, sizes.steady * 3)


def _memory(ring: Ring) -> int:
    return 0 if ring.server is None else watching.used_memory(ring.server.url)


def _cpu(workers: list[int]) -> float:
    return sum(proctree.cpu_seconds(worker) for worker in workers)


def _server_cpu(ring: Ring) -> float:
    return 0.0 if ring.server is None else proctree.cpu_seconds(ring.server.pid)


def percentiles(milliseconds: list[float]) -> Figures:
    """The median and the 99th."""
    ordered = sorted(milliseconds)
    return {
        "p50 ms": statistics.median(ordered),
        "p99 ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
    }


def _waiting(what: str) -> Callable[[Ring, Sizes], Figures]:
    def run(ring: Ring, sizes: Sizes) -> Figures:
        with ring.workers("threads"):
            ring.drive("ping", 1, 60)
            time.sleep(1)
            return percentiles(
                ring.drive(what, sizes.delayed if what == "lateness" else sizes.waits, 90)["ms"]
            )

    return run


#: A steady load at this part of what producer and worker carry together.
_PART = 0.8
#: How many are submitted to find that out.
_TRIAL = 6_000
#: Tasks have so many slots for the time of their start.
_MOST = measurements.SLOTS - 1


def _steady(rate: int | None) -> Callable[[Ring, Sizes], Figures]:
    """At a rate; with None at a part of what the contestant carries, with its producer on the same machine."""

    def run(ring: Ring, sizes: Sizes) -> Figures:
        with ring.workers("threads") as workers:
            ring.drive("ping", 1, 60)
            if rate is None:
                least = ring.drive("carried", min(_TRIAL, sizes.messages), 120)["rate"]
                measurements.forget_starts()
                target = max(1, int(least * _PART))
            else:
                target = rate
                ring.drive("steady", target, 60, target)  # a second of it, so that all is warm
                measurements.forget_starts()
            n = min(target * sizes.steady, _MOST)
            cpu, server = _cpu(workers), _server_cpu(ring)
            told = ring.drive("steady", n, 60 + sizes.steady, target)
            figures = {**percentiles(told["ms"]), "worker CPU µs": (_cpu(workers) - cpu) / n * 1e6}
            if ring.server is not None:
                figures["server CPU µs"] = (_server_cpu(ring) - server) / n * 1e6
            figures["producer CPU µs"] = told["cpu"] / n * 1e6
            figures["submitted per second"] = n / told["seconds"]
            return figures

    return run


def _idle(ring: Ring, sizes: Sizes) -> Figures:
    with ring.workers("threads") as workers:
        ring.drive("ping", 1, 60)
        time.sleep(2)
        cpu, began = _cpu(workers), time.perf_counter()
        figures: dict[str, float] = {}
        if ring.server is None:
            time.sleep(sizes.idle)
        else:
            figures["commands a second"] = (
                len(watching.commands_sent(ring.server.url, sizes.idle)) / sizes.idle
            )
        figures["% of a core"] = (_cpu(workers) - cpu) / (time.perf_counter() - began) * 100
        return figures


def _starting(ring: Ring, sizes: Sizes) -> Figures:
    library, help_ = ring.contestant.library, ring.contestant.help
    program = f"import time\nt = time.perf_counter()\nimport {library}\nprint(time.perf_counter() - t)"
    command = [str(ring.programs / "python"), "-c", program]
    shown = [str(ring.programs / help_[0]), *help_[1:]]
    imports, helps = [], []
    for _ in range(4):
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30, env=ring.environ
        )
        imports.append(float(told.stdout))
        began = time.perf_counter()
        subprocess.run(shown, capture_output=True, check=True, timeout=30, cwd=ADAPTERS, env=ring.environ)
        helps.append(time.perf_counter() - began)
    # The first of each reads from the disk.
    return {"import ms": min(imports[1:]) * 1e3, "--help ms": min(helps[1:]) * 1e3}


def _all(contestant: Contestant) -> bool:
    return True


def _on_redis(contestant: Contestant) -> bool:
    return contestant.store == "redis"


def _leads(contestant: Contestant) -> bool:
    """Whether it is among those that are the fastest in most cases: what takes minutes is measured of these."""
    return contestant.ours or contestant.library in {"huey", "dramatiq", "taskiq"}


def _leads_on_redis(contestant: Contestant) -> bool:
    return _on_redis(contestant) and _leads(contestant)


def _with(*layouts: str) -> Callable[[Contestant], bool]:
    return lambda contestant: _on_redis(contestant) and any(each in contestant.commands for each in layouts)


CASES: tuple[Case, ...] = (
    Case("submit", "Submit one by one", "per second", True, _all, _submitting("submit")),
    Case("bulk", "Submit in bulk", "per second", True, lambda c: c.bulk, _submitting("bulk")),
    Case("drain", "Drain, one worker, eight at once", "per second", True, _all, _draining("threads")),
    Case(
        "drain-results",
        "The same with results (Alsek: and statuses)",
        "per second",
        True,
        _all,
        _draining("threads"),
        keep=True,
    ),
    Case("drain-two", "Drain, two processes", "per second", True, _with("two"), _draining("two")),
    Case(
        "drain-coroutines",
        "Drain of `async def` tasks, one process, a hundred at once",
        "per second",
        True,
        _with("coroutines"),
        _draining("coroutines"),
        coroutines=True,
    ),
    Case(
        "drain-coroutines-results",
        "The same with results (Alsek: and statuses)",
        "per second",
        True,
        _with("coroutines"),
        _draining("coroutines"),
        keep=True,
        coroutines=True,
    ),
    Case(
        "per-task",
        "Drain, a process for each task, two at once",
        "per second",
        True,
        _with("per_task"),
        _draining("per_task", few=True),
    ),
    Case(
        "reused",
        "Drain, two processes that are reused",
        "per second",
        True,
        _with("reused"),
        _draining("reused"),
    ),
    Case(
        "computing",
        "Ten milliseconds of computing, two processes that are reused",
        "% of the ideal",
        True,
        _with("reused", "two"),
        _computing("reused", "two"),
    ),
    Case(
        "computing-each",
        "The same, a process for each task",
        "% of the ideal",
        True,
        _with("per_task"),
        _computing("per_task"),
    ),
    *(
        Case(
            f"delay-{delay}",
            f"Drain, one worker, eight at once, {delay} ms from the server and back",
            "per second",
            True,
            _leads_on_redis,
            _delayed(delay),
            once=True,
        )
        for delay in (1, 5, 20)
    ),
    *(
        Case(
            f"payload-{size}",
            f"Submit one by one, and drain, with an argument of {size} kB",
            "per second",
            True,
            _leads,
            _sized(size),
            once=True,
        )
        for size in (1, 10, 100)
    ),
    *(
        Case(
            f"waiting-{time_}",
            f"Drain of tasks that wait for {time_} ms, one worker, eight at once",
            "% of the ideal",
            True,
            _leads,
            _waits(time_),
            once=True,
        )
        for time_ in (1, 10)
    ),
    Case(
        "queues",
        f"Drain of {QUEUES:,} queues, one worker, eight at once",
        "per second",
        True,
        _with("queues"),
        _of_queues,
        once=True,
        queues=QUEUES,
    ),
    Case("latency", "Submit to start, idle worker", "p50 ms", False, _all, _waiting("latency")),
    *(
        Case(
            f"steady-{name}",
            f"Submit to start, a steady load of {title}",
            "p99 ms",
            False,
            _all if rate == 1_000 else _leads,
            _steady(rate),
            once=rate != 1_000,
        )
        for name, title, rate in (
            ("1000", "1,000 messages a second", 1_000),
            ("3000", "3,000 messages a second", 3_000),
            ("80", f"{_PART:.0%} of what producer and worker carry together", None),
        )
    ),
    Case("trip", "Submit to result in hand", "p50 ms", False, _all, _waiting("trips"), keep=True),
    Case(
        "lateness",
        "Lateness of delayed messages",
        "p99 ms",
        False,
        lambda c: c.delays,
        _waiting("lateness"),
        once=True,
    ),
    Case("idle", "An idle worker", "commands a second", False, _on_redis, _idle, once=True),
    Case("start-up", "Starting up", "--help ms", False, _on_redis, _starting, once=True),
)
