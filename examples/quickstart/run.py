"""The main job, from beginning to end: start a worker, submit a hundred tasks, watch them, stop the worker.

The worker is the real command, in a process of its own; the store is a SQLite file in a temporary folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

HERE = Path(__file__).parent
N_TASKS = 100


def main() -> int:
    """Run the job; 0 if every result came and the worker stopped in good order."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="alsek-quickstart-") as folder:
        os.environ["QUICKSTART_DB"] = str(Path(folder) / "alsek.db")
        sys.path.insert(0, str(HERE))
        log = Path(folder) / "worker.log"
        command = [
            str(Path(sysconfig.get_path("scripts")) / "alsek"),
            "thread-pool",
            "tasks",
            "--n_threads",
            "8",
        ]
        console.print(f"[bold]$ {' '.join(['alsek', *command[1:]])}")
        with log.open("wb") as out:
            worker = subprocess.Popen(command, cwd=HERE, stderr=out)
        try:
            results = collect(console)
        finally:
            worker.send_signal(signal.SIGTERM)
            try:
                status = worker.wait(timeout=30)
            except subprocess.TimeoutExpired:
                worker.kill()
                status = worker.wait()
        show(console, results)
        if status != 0 or len(results) != N_TASKS:
            console.print(log.read_text(errors="replace"), style="red")
        console.print(f"{len(results)} of {N_TASKS} results; the worker ended with exit code {status}.")
        return 0 if status == 0 and len(results) == N_TASKS else 1


def collect(console: Console) -> dict[int, int]:
    """Submit the tasks, and take in their results as they come."""
    from tasks import count_primes, result_store  # here, since the file's store is named just now

    began = time.perf_counter()
    messages = [(1_000 * n, count_primes.generate(args=(1_000 * n,))) for n in range(1, N_TASKS + 1)]
    console.print(f"Submitted {len(messages)} tasks in {(time.perf_counter() - began) * 1000:.0f} ms.")
    columns = (TextColumn("results"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results: dict[int, int] = {}
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("results", total=len(messages))
        for below, message in messages:
            results[below] = result_store.get(message, timeout=30_000)
            progress.advance(bar)
    return results


def show(console: Console, results: dict[int, int]) -> None:
    """A few of the results."""
    table = Table("primes below", "there are")
    for below in sorted(results)[:: N_TASKS // 5]:
        table.add_row(f"{below:,}", f"{results[below]:,}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
