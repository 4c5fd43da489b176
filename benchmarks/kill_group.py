"""What it costs when a group's process is killed half-way: 2,000 tasks of 5 ms, on a pool of 2 x 8 threads.

    python benchmarks/kill_group.py [--store sqlite]

The tasks are submitted before the worker starts; then the time is taken until the queue is empty, once undisturbed,
and once with a SIGKILL of one of the two groups after a thousand.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server, sqlite_file  # noqa: E402

N_TASKS = 2_000


def main() -> None:
    """Both runs, on the stores asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=["redis", "sqlite", "both"], default="both")
    options = parser.parse_args()
    for store in ["redis", "sqlite"] if options.store == "both" else [options.store]:
        with redis_server() if store == "redis" else sqlite_file() as where:
            os.environ["ALSEK_BENCH_STORE"] = where
            sys.modules.pop("bench_tasks", None)
            calm, _ = _run(kill=False)
            killed, failed = _run(kill=True)
        print(
            f"{store:7} {N_TASKS} tasks of 5 ms: {calm:.2f} s undisturbed, {killed:.2f} s with a group killed half-way "
            f"({killed - calm:+.2f} s); done: {N_TASKS - failed}, failed: {failed}"
        )


def _run(*, kill: bool) -> tuple[float, int]:
    import bench_tasks as tasks

    messages = tasks.backend.messages
    tasks.broker.submit_many([tasks.nap.generate(args=(5,), submit=False) for _ in range(N_TASKS)])
    command = [str(Path(sysconfig.get_path("scripts")) / "alsek"), "thread-pool", "bench_tasks"]
    worker = subprocess.Popen(
        [*command, "--n_threads=8", "--n_processes=2", "--log_level=CRITICAL"], cwd=HERE
    )
    began = time.perf_counter()
    try:
        while (left := messages.count("alsek_queue")) > 0:
            if kill and left <= N_TASKS // 2:
                kill = False
                os.kill(_children(worker.pid)[-1], signal.SIGKILL)
            time.sleep(0.002)
        took = time.perf_counter() - began
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=30)
    return took, sum(1 for _ in messages.dead_letters("alsek_queue"))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


if __name__ == "__main__":
    main()
