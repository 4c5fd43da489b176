"""Clusters of Redis for benchmarks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import redis

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from servers import free_port, redis_binary  # noqa: E402

_SLOTS = 16_384


@contextmanager
def cluster(masters: int) -> Iterator[tuple[list[int], list[int]]]:
    """The ports and pids of a cluster of so many masters, without replicas."""
    with ExitStack() as stack:
        ports, pids = [], []
        for _ in range(masters):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alsek-bench-"))
            port = free_port()
            command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
            command += ["--save", "", "--cluster-enabled", "yes"]
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.kill)
            ports.append(port)
            pids.append(server.pid)
        admins = [redis.Redis(port=port) for port in ports]
        for n, admin in enumerate(admins):
            _until(admin.ping)
            admin.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
            if n:
                admin.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
            first, end = n * _SLOTS // masters, (n + 1) * _SLOTS // masters
            admin.execute_command("CLUSTER ADDSLOTS", *range(first, end))
        for admin in admins:
            _until(partial(_knows_all, admin, masters))
            admin.close()
        yield ports, pids


def _knows_all(admin: redis.Redis, masters: int) -> bool:
    answer = admin.execute_command("CLUSTER INFO")
    if isinstance(answer, dict):
        return answer["cluster_state"] == "ok" and answer["cluster_known_nodes"] == str(masters)
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return "cluster_state:ok" in text and f"cluster_known_nodes:{masters}\r" in text


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if holds():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("the cluster was not formed within 20 s")
        time.sleep(0.05)
