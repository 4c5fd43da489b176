"""A web application that submits tasks and awaits their results, on Alsek and on TaskIQ, side by side.

    hatch run python -m benchmarks.web --rounds 3

One FastAPI process (uvicorn, asyncio's own loop, h11), one worker process, and a client that has many requests under
way at once and asks for a page that needs neither. TaskIQ polls for results: it is measured with several intervals.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peer_environments, process_tree
from benchmarks.peers import CONTESTANTS, Contestant
from benchmarks.round import ADAPTERS, Ring, programs_here, ring

_READY_WITHIN_S = 30.0
_CLIENT_WITHIN_S = 180.0

#: What runs: the contestant, its application, and further variables of its environment.
RUNS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "no queue": ("Alsek", "web_bare", {}),
    "Alsek": ("Alsek", "web_alsek", {}),
    "Alsek on SQLite": ("Alsek on SQLite", "web_alsek", {}),
    **{
        f"TaskIQ, polling each {interval} s": ("TaskIQ", "web_taskiq", {"BENCH_CHECK_INTERVAL": interval})
        for interval in ("0.01", "0.05", "0.2")
    },
}


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=3_000)
    parser.add_argument("--at-once", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="RUN", default=list(RUNS))
    options = parser.parse_args()
    # A library that opens a connection for each request needs more descriptors than the usual 1,024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in options.only}
    for _ in range(options.rounds):
        for name in options.only:
            figures = _measure(*RUNS[name], options.requests, options.at_once)
            found[name].append(figures)
            _tell(name, figures)
    sys.stdout.write(f"\nMedians of {options.rounds} rounds, {options.at_once} requests at once:\n")
    for name, rounds in found.items():
        _tell(name, {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]})


def _measure(
    name: str, application: str, environ: Mapping[str, str], requests: int, at_once: int
) -> Mapping[str, float]:
    contestant = next(each for each in CONTESTANTS if each.name == name)
    with ring(contestant, _programs(contestant), keep=True, coroutines=True) as made:
        made.environ.update(environ)
        with made.workers("coroutines") as workers, _application(made, application) as (port, pid):
            before = process_tree.cpu_seconds(pid), sum(map(process_tree.cpu_seconds, workers))
            command = [sys.executable, "web_client.py", str(port), str(requests), str(at_once)]
            done = subprocess.run(
                command, cwd=ADAPTERS, capture_output=True, text=True, timeout=_CLIENT_WITHIN_S
            )
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr}{(made.folder / 'web.log').read_text()[-3_000:]}")
            figures: dict[str, float] = json.loads(done.stdout)
            figures["application CPU µs"] = (process_tree.cpu_seconds(pid) - before[0]) / requests * 1e6
            spent = sum(map(process_tree.cpu_seconds, workers)) - before[1]
            figures["worker CPU µs"] = spent / requests * 1e6
            return figures


def _programs(contestant: Contestant) -> Path:
    if contestant.ours:
        return programs_here()
    return peer_environments.prepare(
        f"{contestant.library}-web", (*contestant.requirements, "fastapi", "uvicorn")
    )


@contextmanager
def _application(made: Ring, application: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    options = ["--port", str(port), "--loop", "asyncio", "--http", "h11", "--log-level", "error"]
    with (made.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(made.programs / "python"),
                "-m",
                "uvicorn",
                f"{application}:app",
                *options,
                "--backlog",
                "4096",
            ],
            cwd=ADAPTERS,
            env=made.environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await(port, process, made.folder / "web.log")
            yield port, process.pid
        finally:
            process_tree.end(process, signal.SIGTERM, 5.0)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the application does not answer: {log.read_text()[-3_000:]}")


def _tell(name: str, figures: Mapping[str, float]) -> None:
    shown = ", ".join(f"{figure} {value:,.4g}" for figure, value in figures.items())
    sys.stdout.write(f"{name:28} {shown}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
