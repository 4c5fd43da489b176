"""Processes of an earlier version of Alsek, from `tests/fixtures/VERSION/wheels`, beside those of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path
from typing import Final

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
WAIT_S: Final = 60.0


class RollingDeploy:
    """A folder in which both versions run the same files. A context manager: it ends what was started.

    Args:
        folder: Where the files and the store are.
        version: The earlier one.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        unpacked = folder / "earlier"
        for wheel in (FIXTURES / version / "wheels").glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
        # `-S` leaves out the files that put the present sources on the path; what else is installed is named instead.
        packages = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
        self._earlier = {**os.environ, "PYTHONPATH": os.pathsep.join([str(unpacked), *packages])}
        self._pools: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> RollingDeploy:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            self.kill(pool)

    def python(self, version: str, *arguments: str) -> str:
        """Run Python to its end with the earlier version, or with "new"; return what it printed."""
        done = subprocess.run(
            [*self._interpreter(version), *arguments],
            cwd=self.folder,
            env=self._environ(version),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr + self.logs()
        return done.stdout

    def pool(self, version: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a pool, with all its processes in a group of their own, and wait until it takes messages."""
        log = self.folder / f"pool-{len(self._pools)}-{version}.log"
        with log.open("wb") as out:
            pool = subprocess.Popen(
                [*self._interpreter(version), "-m", "alsek.cli", "thread-pool", "tasks", *options],
                cwd=self.folder,
                env=self._environ(version),
                stderr=out,
                start_new_session=True,
            )
        self._pools.append(pool)
        deadline = time.monotonic() + WAIT_S
        while "tarted group" not in log.read_text():
            assert pool.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        return pool

    def kill(self, pool: subprocess.Popen[bytes]) -> None:
        """End all processes of a pool at once, as a machine that fails does."""
        if pool.poll() is None:
            os.killpg(pool.pid, signal.SIGKILL)
        pool.wait()

    def logs(self) -> str:
        """What the pools have logged."""
        return "".join(f"\n── {log.name}\n{log.read_text()}" for log in sorted(self.folder.glob("*.log")))

    def _interpreter(self, version: str) -> list[str]:
        return [sys.executable] if version == "new" else [sys.executable, "-S"]

    def _environ(self, version: str) -> dict[str, str]:
        return dict(os.environ) if version == "new" else self._earlier
