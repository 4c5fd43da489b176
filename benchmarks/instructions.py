"""How many instructions a message costs: the same at each run, where times on a busy machine are not.

    python benchmarks/instructions.py [--against /path/to/another/checkout] [--store redis] [--case drain]

Counted is what one process executes in user space, by valgrind, for 2,000 messages (the difference between a run of
500 and one of 2,500): a producer that submits them, or a thread group of 8 that executes them. The messages of
`limited` have a concurrency limit that is never full. What Redis' server and
the kernel do is not in it. With `--against`, another checkout runs its own copy of this file in its own environment,
and the ratio is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import redis_server  # noqa: E402

CASES = ("submit", "submit_many", "drain", "results", "limited")
#: Cases that execute what they submit.
DRAINS = ("drain", "results", "limited")
FEW, MANY = 500, 2_500


def main() -> None:
    """Count each case on each store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=["redis", "sqlite"], nargs="*", default=["redis", "sqlite"])
    parser.add_argument("--case", choices=CASES, nargs="*", default=CASES)
    parser.add_argument("--against", type=Path, help="the checkout to compare with")
    parser.add_argument("--work", nargs=3, metavar=("CASE", "STORE", "MESSAGES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        case, where, messages = options.work
        _work(case, where, int(messages))
        return
    for store in options.store:
        for case in options.case:
            now = _count(HERE.parent, case, store)
            line = f"{store:7} {case:12} {now:9,} instructions a message"
            if options.against:
                before = _count(options.against, case, store)
                line += f", against {before:9,}: {now / before:.3f}"
            print(line, flush=True)


def _count(checkout: Path, case: str, store: str) -> int:
    few, many = (_run(checkout, case, store, messages) for messages in (FEW, MANY))
    submitted = 0
    if case in DRAINS:  # less what it costs to submit them
        submitted = _count(checkout, f"no_{case}", store)
    return (many - few) // (MANY - FEW) - submitted


def _run(checkout: Path, case: str, store: str, messages: int) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server() if store == "redis" else nullcontext() as url,
    ):
        where = url if url is not None else str(Path(folder) / "bench.db")
        python = sys.executable if checkout == HERE.parent else checkout / ".hatch/default/bin/python"
        script = checkout / "benchmarks" / Path(__file__).name
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder}/out",
            str(python),
            str(script),
        ]
        done = subprocess.run(
            [*command, "--work", case, where, str(messages)],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or found is None:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        return int(found[1])


def _work(case: str, where: str, messages: int) -> None:
    """Under valgrind: submit, or submit and execute."""
    os.environ["ALSEK_BENCH_STORE"] = where
    import bench_tasks

    tasks = {"results": bench_tasks.tracked, "limited": bench_tasks.limited}
    task = tasks.get(case.removeprefix("no_"), bench_tasks.noop)
    if case == "submit":
        for _ in range(messages):
            task.generate()
        return
    for _ in range(0, messages, 500):
        task.generate_many([()] * 500)
    if case in DRAINS:
        _execute(task, messages)


def _execute(task: Any, messages: int) -> None:
    from alsek.core.execution.session import WorkerSession
    from alsek.core.wakeup_pipe import WakeupPipe
    from alsek.core.worker.engine.engine import Engine
    from alsek.core.worker.engine.options import EngineOptions
    from alsek.core.worker.group.options import new_shared_state
    from alsek.core.worker.group.thread_group import ThreadWorkerGroup
    from alsek.core.worker.thread import ThreadWorkerPool

    pool = ThreadWorkerPool([task], n_threads=8)
    state = new_shared_state(pool._group)
    group = ThreadWorkerGroup(pool._options, pool._group, state)
    session = WorkerSession(task.broker.backend, group._worker())
    session.register()
    state.set_worker(session.worker.id)
    control = group._wakeup = WakeupPipe()
    executor = group._make_executor()
    options = EngineOptions(max_tasks=messages)
    Engine(session, executor, state, options, control, lambda: None, stand_in=group._stand_in).run()
    executor.shut_down()


if __name__ == "__main__":
    main()
