"""What lives below a process, and what is left of a scenario."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def tree(pid: int) -> list[int]:
    """A process and all below it, as far as they live (zombies don't)."""
    found, pending = [], [pid]
    while pending:
        each = pending.pop()
        if not _alive(each):
            continue
        found.append(each)
        with contextlib.suppress(OSError):
            for thread in list(Path(f"/proc/{each}/task").iterdir()):
                with contextlib.suppress(OSError):
                    pending += map(
                        int, (thread / "children").read_text().split()
                    )  # those that this thread started
    return found


def marked(mark: str) -> list[int]:
    """All living processes with this text in the environment that they were started with."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes() and _alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def send(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal to one process; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False
