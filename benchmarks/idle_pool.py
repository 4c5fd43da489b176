"""What benchmarks of an idle pool share: the stores, the pool, and how times are shown."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server, sqlite_file  # noqa: E402


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """A parser of the command line, with the choice of the store."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=["redis", "sqlite", "both"], default="both")
    return parser


def each_store(choice: str) -> Iterator[str]:
    """The names of the stores of a choice, each with a fresh one that `bench_tasks` will use."""
    for store in ["redis", "sqlite"] if choice == "both" else [choice]:
        with redis_server() if store == "redis" else sqlite_file() as where:
            os.environ["ALSEK_BENCH_STORE"] = where
            sys.modules.pop("bench_tasks", None)
            yield store


@contextmanager
def running_pool(kind: str = "thread-pool", *options: str) -> Iterator[ModuleType]:
    """Run a pool of one group beside, and yield the tasks."""
    import bench_tasks

    command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), kind, "bench_tasks"]
    worker = subprocess.Popen([*command, "--n_processes=1", "--log_level=ERROR", *options], cwd=HERE)
    try:
        yield bench_tasks
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
        bench_tasks.backend.close()


def percentiles(milliseconds: list[float]) -> str:
    """The median and the 99th percentile of some times."""
    ordered = sorted(milliseconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.2f} ms, p99 {p99:.2f} ms"
