"""The machine that figures were taken on, and how busy others kept it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.servers import redis_binary


@dataclass
class Machine:
    """Facts.

    Attributes:
        loads: The load average of the last minute, at the start and after each round (the benchmark's own is in it).
        steal: The share of time that other guests of the same host took, in percent.
    """

    began: str
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    redis: str
    loads: list[float] = field(default_factory=list)
    steal: float = 0.0
    _ticks: tuple[int, int] = (0, 0)

    @classmethod
    def now(cls) -> Machine:
        """This one, before anything has run."""
        model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        total = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
        version = subprocess.run(
            [redis_binary(), "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"v=(\S+)", version)
        return cls(
            began=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            processor=model.group(1) if model else platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=int(total.group(1)) / 2**20 if total else 0.0,
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            redis=found.group(1) if found else "?",
            loads=[os.getloadavg()[0]],
            _ticks=_stolen(),
        )

    def look(self) -> None:
        """Note how busy it is."""
        self.loads.append(os.getloadavg()[0])
        stolen, total = _stolen()
        if total > self._ticks[1]:
            self.steal = (stolen - self._ticks[0]) / (total - self._ticks[1]) * 100

    @property
    def busy_before(self) -> bool:
        """Whether others were at work when this began."""
        return self.loads[0] > 0.3


def _stolen() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[7], sum(fields)
