"""How many instructions one call of a script costs `redis-server`: hardly another number at each run.

    python benchmarks/server_instructions.py [--against /path/to/another/checkout] [--case CASE …]

Counted is what the server executes in user space, by valgrind, for a call: reading the command, the script, and the
answer; the mean of 100 calls on a server of its own. With `--against`, another checkout runs this file with its own
environment, and the ratio is printed.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Submission, Succeeded, Worker
from alsek.storage.backends.redis import RedisBackend

CALLS = 100


class Bench:
    """A server, and one worker on it."""

    def __init__(self, url: str, pid: int, folder: Path, queues: tuple[str, ...] | None = ("q",)) -> None:
        self.backend = RedisBackend(f"{url}?socket_timeout=300", namespace=uuid.uuid4().hex, timeout=600_000)
        self.messages = self.backend.messages
        self.worker = Worker(uuid.uuid4().hex, "thread", queues, 600_000, 0)
        self._pid, self._folder = pid, folder
        self.seq = 0
        self.messages.register(self.worker)
        self.step(limit=0)

    def step(
        self,
        *held: Claimed,
        limit: int = 8,
        sleeps: bool = False,
        received: int | None = None,
        tells: bool = False,
    ) -> list[Claimed]:
        """A step that reports these messages as ended, and claims what there is."""
        self.seq += 1
        ended = [Succeeded(each.uuid, each.queue, each.token) for each in held]
        answer = self.messages.step(
            self.worker, self.seq, ended, {"thread": limit}, sleeps=sleeps or tells, received=received
        )
        assert answer.sleeper == sleeps
        return answer.claimed

    def add(self, many: int = 1) -> None:
        """Submit messages, in one call."""
        self.messages.add(
            [Submission(str(uuid.uuid4()), "q", b'{"task_name": "noop"}') for _ in range(many)],
            uuid.uuid4().hex,
        )

    def counted(self, call: Callable[[], object], times: int = CALLS) -> int:
        """The instructions of one call."""
        self._collected()
        for _ in range(times):
            call()
        return self._collected() // times

    def _collected(self) -> int:
        """The instructions since the last look."""
        subprocess.run(["callgrind_control", "-d", str(self._pid)], check=True, capture_output=True)
        dumps = sorted(self._folder.glob("count.*"), key=lambda path: path.stat().st_mtime)
        deadline = time.monotonic() + 60
        while not dumps or "totals:" not in dumps[-1].read_text():
            if time.monotonic() > deadline:
                raise TimeoutError("valgrind has counted nothing in a minute")
            time.sleep(0.05)
            dumps = sorted(self._folder.glob("count.*"), key=lambda path: path.stat().st_mtime)
        text = dumps[-1].read_text()
        if kept := os.environ.get("KEEP_COUNTS"):
            for dump in dumps:
                shutil.copy(dump, f"{kept}.{time.time_ns()}")
        for dump in dumps:
            dump.unlink()
        return int(re.findall(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)[-1])


def empty(bench: Bench) -> int:
    """A step of a worker for which there is nothing."""
    return bench.counted(bench.step)


def tells_of_sleep(bench: Bench) -> int:
    """The same, and it sleeps then."""
    bench.step(sleeps=True)
    return bench.counted(lambda: bench.step(sleeps=True, received=0))


def woken(bench: Bench) -> int:
    """A step of a sleeper that claims one of many messages."""
    bench.step(sleeps=True)
    bench.add(200)
    return bench.counted(lambda: bench.step(limit=1, tells=True))


def claims_one(bench: Bench) -> int:
    """A step that claims one of many messages."""
    bench.add(200)
    return bench.counted(lambda: bench.step(limit=1))


def finishes_one(bench: Bench) -> int:
    """A step that finishes one of many messages, and claims none."""
    bench.add(CALLS + 1)
    held = [bench.step(limit=1)[0] for _ in range(CALLS)]
    return bench.counted(lambda: bench.step(held.pop(), limit=0))


def eight(bench: Bench) -> int:
    """A step that finishes eight messages, and claims eight."""
    for _ in range(5):
        bench.add(200)
    held = bench.step()

    def turn() -> None:
        nonlocal held
        held = bench.step(*held)

    return bench.counted(turn)


def submission(bench: Bench) -> int:
    """A submission to a queue that has others."""
    bench.add()
    bench.add()
    return bench.counted(bench.add)


def pushed(bench: Bench) -> int:
    """A submission that is pushed, and the step that finishes the message."""
    with closing(bench.messages.waiter(bench.worker)) as waiter:
        _listen(waiter)
        bench.step(sleeps=True)

        def turn() -> None:
            bench.add()
            bench.step(_arrived(waiter), sleeps=True, received=1)

        turn()
        return bench.counted(turn)


def only_pushes(bench: Bench) -> int:
    """The submission of these two."""
    with closing(bench.messages.waiter(bench.worker)) as waiter:
        _listen(waiter)
        bench.step(sleeps=True)
        bench.add()
        bench.step(_arrived(waiter), sleeps=True, received=1)
        total = 0
        for _ in range(7):
            total += bench.counted(bench.add, 8)
            bench.step(*(_arrived(waiter) for _ in range(8)), sleeps=True, received=8)
        return total // 7


def bulk(bench: Bench) -> int:
    """A submission of two hundred."""
    return bench.counted(lambda: bench.add(200), 5)


CASES: dict[str, tuple[Callable[[Bench], int], tuple[str, ...] | None]] = {
    "empty": (empty, ("q",)),
    "empty-all": (empty, None),
    "sleep": (tells_of_sleep, ("q",)),
    "sleep-all": (tells_of_sleep, None),
    "woken": (woken, ("q",)),
    "claims-one": (claims_one, ("q",)),
    "finishes-one": (finishes_one, ("q",)),
    "eight": (eight, ("q",)),
    "add-one": (submission, ("q",)),
    "pushed": (pushed, ("q",)),
    "only-pushes": (only_pushes, ("q",)),
    "bulk": (bulk, ("q",)),
}


def _listen(waiter: Waiter) -> None:
    waiter.arm()
    while not waiter.receives:
        select.select([waiter.fileno()], [], [], 60)
        waiter.drain()


def _arrived(waiter: Waiter, kept: list[Claimed] = []) -> Claimed:  # noqa: B006
    while not kept:
        select.select([waiter.fileno()], [], [], 60)
        waiter.drain()
        kept += [push.claimed for push in waiter.take_pushed()]
    return kept.pop()


@contextmanager
def _server() -> Iterator[tuple[str, int, Path]]:
    """The address and process of a server under valgrind, and where that writes its counts."""
    with tempfile.TemporaryDirectory() as name:
        folder, socket = Path(name), f"{name}/redis"
        server = subprocess.Popen(
            (
                *("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/count", "--dump-instr=no"),
                *("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--hz", "1"),
            ),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not Path(socket).exists():
                if server.poll() is not None:
                    raise RuntimeError("the server has not started")
                time.sleep(0.1)
            yield f"unix://{socket}", server.pid, folder
        finally:
            server.kill()
            server.wait()


def _count(cases: list[str]) -> Iterator[tuple[str, int]]:
    for case in cases:
        run, queues = CASES[case]
        with _server() as (url, pid, folder):
            bench = Bench(url, pid, folder, queues)
            yield case, run(bench)
            bench.backend.close()


def main() -> None:
    """Count each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--against", type=Path, help="the checkout to compare with")
    options = parser.parse_args()
    before = {}
    if options.against:
        python = options.against / ".hatch" / "default" / "bin" / "python"
        counted = subprocess.run(
            (str(python), __file__, "--case", *options.case), check=True, capture_output=True, text=True
        ).stdout
        before = {name: int(number.replace(",", "")) for name, number in map(str.split, counted.splitlines())}
    for case, now in _count(options.case):
        line = f"{case:14} {now:11,}"
        if case in before:
            line += f", against {before[case]:11,}: {now / before[case]:.3f}"
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
