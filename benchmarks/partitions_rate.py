"""What partitions on the masters of a cluster cost: CPU a message in each server, in the producer and in the worker.

    python benchmarks/partitions_rate.py [--messages 10000] [--rounds 3]

Each row has a cluster of its own, of so many masters without replicas. All messages are submitted before the pool
starts (1 x 8 threads, no-op tasks, no statuses). On a machine of few cores the wall clock shows only how busy they are:
a server's CPU a message tells what one could carry, and what is left on each when there are more of them. The last
columns say so: messages a second if no server may use more than one core, and nothing else limits them.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import redis

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from process_tree import cpu_seconds  # noqa: E402
from servers import free_port, redis_binary  # noqa: E402

_SLOTS = 16_384

#: Masters and partitions; no partitions: the namespace is one, as without this feature.
SETUPS = ((1, 1), (1, 2), (1, 4), (2, 2), (2, 8), (3, 3), (3, 12))


class Round(NamedTuple):
    """CPU in µs a message, the busiest server first, and messages a second as seen."""

    submitting: list[float]
    draining: list[float]
    producer: float
    worker: float
    submitted: float
    drained: float


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(
        "| masters | partitions | submit: busiest server, all | drain: busiest server, all | producer | worker "
        "| submitted/s here | drained/s here | a server could take in | and hand out |"
    )
    print("|" + "---|" * 10)
    for masters, partitions in SETUPS:
        rounds = [_round(masters, partitions, options.messages) for _ in range(options.rounds)]
        submitting = [
            statistics.median(each) for each in zip(*(one.submitting for one in rounds), strict=True)
        ]
        draining = [statistics.median(each) for each in zip(*(one.draining for one in rounds), strict=True)]
        print(
            f"| {masters} | {partitions} | {submitting[0]:.0f}, {sum(submitting):.0f} "
            f"| {draining[0]:.0f}, {sum(draining):.0f} "
            f"| {statistics.median(one.producer for one in rounds):.0f} "
            f"| {statistics.median(one.worker for one in rounds):.0f} "
            f"| {statistics.median(one.submitted for one in rounds):,.0f} "
            f"| {statistics.median(one.drained for one in rounds):,.0f} "
            f"| {1e6 / submitting[0]:,.0f}/s | {1e6 / draining[0]:,.0f}/s |",
            flush=True,
        )


def _round(masters: int, partitions: int, messages: int) -> Round:
    with _cluster(masters) as (ports, pids):
        os.environ["ALSEK_BENCH_STORE"] = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        os.environ["ALSEK_BENCH_PARTITIONS"] = str(partitions)
        sys.modules.pop("bench_tasks", None)
        import bench_tasks

        bench_tasks.noop.generate(submit=False)
        bench_tasks.backend.messages.count("alsek_queue")
        before, own, began = [cpu_seconds(pid) for pid in pids], time.process_time(), time.perf_counter()
        for _ in range(messages):
            bench_tasks.noop.generate()
        took, used = time.perf_counter() - began, time.process_time() - own
        middle = [cpu_seconds(pid) for pid in pids]
        command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), "thread-pool", "bench_tasks"]
        worker = subprocess.Popen(
            [*command, "--n_threads=8", "--n_processes=1", "--log_level=ERROR"], cwd=HERE
        )
        count = bench_tasks.backend.messages.count
        while count("alsek_queue") == messages:
            time.sleep(0.005)
        started = time.perf_counter()
        while count("alsek_queue"):
            time.sleep(0.05)
        drained = time.perf_counter() - started
        spent = cpu_seconds(worker.pid)
        after = [cpu_seconds(pid) for pid in pids]
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=60)
        bench_tasks.backend.close()
    return Round(
        sorted(((b - a) / messages * 1e6 for a, b in zip(before, middle, strict=True)), reverse=True),
        sorted(((b - a) / messages * 1e6 for a, b in zip(middle, after, strict=True)), reverse=True),
        used / messages * 1e6,
        spent / messages * 1e6,
        messages / took,
        messages / drained,
    )


@contextmanager
def _cluster(masters: int) -> Iterator[tuple[list[int], list[int]]]:
    """The ports and pids of a cluster of so many masters."""
    with ExitStack() as stack:
        ports, pids = [], []
        for _ in range(masters):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alsek-bench-"))
            port = free_port()
            command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
            command += ["--save", "", "--cluster-enabled", "yes"]
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.kill)
            ports.append(port)
            pids.append(server.pid)
        admins = [redis.Redis(port=port) for port in ports]
        for n, admin in enumerate(admins):
            _until(admin.ping)
            admin.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
            if n:
                admin.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
            first, end = n * _SLOTS // masters, (n + 1) * _SLOTS // masters
            admin.execute_command("CLUSTER ADDSLOTS", *range(first, end))
        for admin in admins:
            _until(partial(_knows_all, admin, masters))
            admin.close()
        yield ports, pids


def _knows_all(admin: redis.Redis, masters: int) -> bool:
    answer = admin.execute_command("CLUSTER INFO")
    if isinstance(answer, dict):
        return answer["cluster_state"] == "ok" and answer["cluster_known_nodes"] == str(masters)
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return "cluster_state:ok" in text and f"cluster_known_nodes:{masters}\r" in text


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("the cluster was not formed within 20 s")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
