"""A small disk for one scenario: a tmpfs where this user may mount one, else a limit on what processes may write."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterable
from pathlib import Path

_SIZE_MB = 64


class Disk:
    """A folder that can be full.

    Args:
        folder: Where to mount it; made here.

    Attributes:
        real: Whether it is a file system of its own. If not, the processes named to :meth:`fill` may write no file
            beyond its present size (``RLIMIT_FSIZE``).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(folder)]
        try:
            self.real = subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
        except OSError:
            self.real = False
        self._limited: list[int] = []

    def fill(self, pids: Iterable[int]) -> None:
        """Leave no room."""
        if not self.real:
            self._limited = list(pids)
            for pid in self._limited:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
            return
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12):
                try:
                    while ballast.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        """Make room again."""
        (self.folder / "ballast").unlink(missing_ok=True)
        limited, self._limited = self._limited, []
        for pid in limited:
            try:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        """Unmount it."""
        if self.real:
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, timeout=60, check=False)
