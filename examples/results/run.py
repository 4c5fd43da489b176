"""What one can do with results: chains, streams, harvests, and a lock. Run it: `python examples/results/run.py`.

Four workers are started, each the real command with one thread; the store is a SQLite file in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alsek.tools import ResultPool

HERE = Path(__file__).parent
N_WORKERS = 4
console = Console()


def main() -> int:
    """Run all parts; 0 if each came to what it should, and the workers stopped in good order."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="how long to harvest")
    parser.add_argument("--messages", type=int, default=100, help="how many results to stream")
    parser.add_argument("--holding", type=float, default=1, help="how long the lock is held, in seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alsek-results-") as folder:
        os.environ["RESULTS_DB"] = str(Path(folder) / "alsek.db")
        os.environ["RESULTS_EVERY"] = str(min(1.0, options.seconds / 5))
        sys.path.insert(0, str(HERE))
        with workers(Path(folder)) as statuses:
            chains()
            stream(options.messages)
            harvest_for(options.seconds)
            lock(options.holding)
        console.print(f"\nThe workers ended with exit codes {statuses}.")
        return 0 if statuses == [0] * N_WORKERS else 1


@contextmanager
def workers(folder: Path) -> Iterator[list[int]]:
    """Four workers; once they have ended, their exit codes are in the list."""
    arguments = ["thread-pool", "tasks", "--n_threads", "1", "--n_processes", "1"]
    console.print(f"[bold]$ alsek {' '.join(arguments)}[/] (times {N_WORKERS})")
    processes = []
    statuses: list[int] = []
    try:
        for number in range(N_WORKERS):
            with (folder / f"worker-{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "alsek.cli", *arguments]
                processes.append(subprocess.Popen(command, cwd=HERE, stderr=log))
        yield statuses
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for number, process in enumerate(processes):
            try:
                statuses.append(process.wait(timeout=30))
            except subprocess.TimeoutExpired:
                process.kill()
                statuses.append(process.wait())
            if statuses[-1] != 0:
                console.print((folder / f"worker-{number}.log").read_text(errors="replace"), style="red")


def chains() -> None:
    """The same chain twice: nested by hand, and as a tuple."""
    from tasks import add_1, add_1_previous, result_store  # here, since the file's store is named just now

    console.rule("Nested callbacks")
    nested = add_1.generate(
        args=(1,),
        callback=add_1_previous.defer().generate(
            callback=add_1_previous.defer().generate(callback=add_1_previous.defer().generate())
        ),
    )
    flat = add_1.generate(args=(1,), callback=tuple(add_1_previous.defer().generate() for _ in range(3)))
    for message, results in ResultPool(result_store).stream(nested, flat, descendants=True, timeout=30_000):
        console.print(f"{'nested' if message is nested else 'as a tuple'}: {results}")
        assert results == [2, 3, 4, 5]


def stream(n_messages: int) -> None:
    """Results in order of completion, with a progress bar."""
    from tasks import result_store, sum_n

    console.rule("istream")
    messages = [sum_n.generate(kwargs={"n": n}) for n in range(n_messages)]
    order = []
    for message, result in ResultPool(result_store).istream(*messages, timeout=60_000, progress=True):
        n = message.kwargs["n"]
        order.append(n)
        assert result == n * (n + 1) // 2
    console.print(f"{len(order)} of {n_messages} results; the first came in the order {order[:8]} …")
    assert sorted(order) == list(range(n_messages))


def harvest_for(seconds: float) -> None:
    """A task that is submitted again and again, and the results of all its messages by the first of them."""
    from tasks import harvest, result_store

    console.rule(f"A trigger, for {seconds:g} s")
    message = harvest.generate()
    console.print(f"every {harvest.trigger.interval.total_seconds():g} s, from {message.summary}")
    time.sleep(seconds)
    harvest.shutdown()
    found = result_store.get(message, timeout=30_000, descendants=True, with_metadata=True)
    table = Table("after", "result", "message")
    for each in found:
        shown = each["uuid"] + (" (the first)" if each["uuid"] == message.uuid else "")
        table.add_row(f"{(each['timestamp'] - message.created_at) / 1000:.3f} s", str(each["result"]), shown)
    console.print(table)
    console.print(f"{len(found)} results with descendants=True.")
    assert len(found) >= 2


def lock(holding: float) -> None:
    """Four workers want the same lock at the same time."""
    from tasks import result_store, send_report

    console.rule("A lock")
    messages = [send_report.generate(args=(holding,)) for _ in range(N_WORKERS)]
    table = Table("worker (pid)", "has the lock", "fence")
    found = [result for _, result in ResultPool(result_store).stream(*messages, timeout=30_000)]
    for each in found:
        table.add_row(str(each["worker"]), "yes" if each["acquired"] else "no", str(each["fence"] or ""))
    console.print(table)
    held = sum(each["acquired"] for each in found)
    console.print(f"{held} of {len({each['worker'] for each in found})} workers held it.")
    assert held == 1


if __name__ == "__main__":
    sys.exit(main())
