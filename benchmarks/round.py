"""One contestant in one round: a store of its own, its producer, its workers, and what they are watched by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import delay_proxy, servers
from benchmarks import process_tree as proctree
from benchmarks.adapters import measurements
from benchmarks.peers import COROUTINES, Contestant

ADAPTERS = Path(__file__).parent / "adapters"
_START_WITHIN_S = 30.0


class RoundError(Exception):
    """This contestant could not do what was asked of it; the others go on."""


@dataclass
class Ring:
    """What a case uses.

    Attributes:
        contestant: Who.
        programs: The folder of its environment's programs.
        server: The redis-server; None on SQLite.
        folder: For measurements and logs.
        environ: Of producer and worker.
    """

    contestant: Contestant
    programs: Path
    server: servers.Server | None
    folder: Path
    environ: dict[str, str]
    _logs: list[Path] = field(default_factory=list)

    def drive(self, what: str, n: int, within: float, *more: int) -> dict[str, Any]:
        """Let the producer do something, and take in what it has measured.

        Args:
            what: One of the producer's actions.
            n: How many.
            within: Seconds.
            more: The action's further numbers.

        Raises:
            RoundError: It failed, or took too long.
        """
        numbers = map(str, (n, *more))
        command = [str(self.programs / "python"), "producer.py", self.contestant.adapter, what, *numbers]
        try:
            done = subprocess.run(
                command, cwd=ADAPTERS, env=self.environ, capture_output=True, text=True, timeout=within
            )
        except subprocess.TimeoutExpired as error:
            raise RoundError(f"{what} {n}: not done after {within:.0f} s{self._said()}") from error
        if done.returncode:
            raise RoundError(f"{what} {n}: {done.stderr.strip()[-600:]}{self._said()}")
        measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return measured

    @contextmanager
    def delayed(self, milliseconds: int) -> Iterator[None]:
        """Producers and workers that are started meanwhile reach the server over a network of this round trip."""
        direct = self.environ["BENCH_STORE"]
        with delay_proxy.running(direct, milliseconds) as url:
            self.environ["BENCH_STORE"] = url
            yield
        self.environ["BENCH_STORE"] = direct

    @contextmanager
    def workers(self, layout: str) -> Iterator[list[int]]:
        """The pids of workers, started; they and all that descends from them are ended afterwards."""
        running: list[subprocess.Popen[bytes]] = []
        try:
            for words in self.contestant.commands[layout]:
                log = self.folder / f"worker{len(self._logs)}.log"
                self._logs.append(log)
                store = self.environ["BENCH_STORE"]
                command = [str(self.programs / words[0]), *(w.replace("{store}", store) for w in words[1:])]
                with log.open("wb") as out:
                    running.append(
                        subprocess.Popen(
                            command,
                            cwd=ADAPTERS,
                            env=self.environ,
                            stdin=subprocess.DEVNULL,
                            stdout=out,
                            stderr=out,
                            start_new_session=True,
                        )
                    )
            yield [process.pid for process in running]
        finally:
            for process in running:
                proctree.end(process, self.contestant.stop, 5.0)

    def await_ticks(self, least: int, within: float) -> int:
        """Wait until so many tasks were run; how many it was.

        Raises:
            RoundError: They were not.
        """
        ticks = measurements.Ticks()
        try:
            deadline = time.monotonic() + within
            while (count := ticks.count()) < least:
                if time.monotonic() > deadline:
                    raise RoundError(f"{count} of {least} tasks after {within:.0f} s{self._said()}")
                time.sleep(0.002)
            return count
        finally:
            ticks.close()

    def await_ticks_for(self, most: int, seconds: float) -> int:
        """Wait until so many tasks were run, or for so long; how many it was."""
        ticks = measurements.Ticks()
        try:
            deadline = time.monotonic() + seconds
            while (count := ticks.count()) < most and time.monotonic() < deadline:
                time.sleep(0.002)
            return count
        finally:
            ticks.close()

    def _said(self) -> str:
        said = "".join(log.read_text(errors="replace")[-600:] for log in self._logs).strip()
        return f"; its worker said: {said}" if said else ""


@contextmanager
def ring(
    contestant: Contestant, programs: Path, *, keep: bool = False, coroutines: bool = False, queues: int = 0
) -> Iterator[Ring]:
    """A fresh store and fresh measurements for one contestant."""
    with tempfile.TemporaryDirectory(prefix="alsek-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ["BENCH_METERS"] = name
        measurements.prepare()
        environ = {
            **os.environ,
            **contestant.environ,
            "BENCH_METERS": name,
            "BENCH_KEEP": "1" if keep else "0",
            "BENCH_COROUTINES": "1" if coroutines else "0",
            "BENCH_QUEUES": str(queues),
            "BENCH_AT_ONCE": str(COROUTINES) if coroutines else "8",
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ADAPTERS),
            "PYTHONWARNINGS": "ignore",
        }
        if contestant.store == "sqlite":
            yield Ring(
                contestant, programs, None, folder, {**environ, "BENCH_STORE": str(folder / "bench.db")}
            )
            return
        with servers.redis_process() as server:
            yield Ring(contestant, programs, server, folder, {**environ, "BENCH_STORE": server.url})


def programs_here() -> Path:
    """Where the programs of this environment are: Alsek's."""
    return Path(sys.executable).parent
