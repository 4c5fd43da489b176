"""A process and all that descend from it, as /proc has them: CPU time, memory, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """The process and its living descendants."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu_seconds(root: int) -> float:
    """What these have used since their start, with what those used that ended and were waited for. To 10 ms."""
    ticks = 0
    for pid in family(root):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def pss_mib(root: int) -> list[float]:
    """The proportional set size of each, largest first: shared pages count in part."""
    sizes = []
    for pid in family(root):
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            sizes.append(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
    return sorted(sizes, reverse=True)


def end(process: subprocess.Popen[bytes], first: signal.Signals, patience: float) -> None:
    """Ask for the end of a process, and kill what is left of its family."""
    members = [pid for pid in family(process.pid) if pid != process.pid]
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            members = [pid for pid in family(process.pid) if pid != process.pid]
            process.kill()
            process.wait(patience)
    for pid in _ours(members, process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ours(pids: list[int], session: int) -> Iterator[int]:
    """Those still in the session that was made for this worker: a number may have been given to another process."""
    time.sleep(0.05)
    for pid in pids:
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session:
                yield pid
