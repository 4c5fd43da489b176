"""Processes that want a lock: ``python -m tests.chaos.lock_holder hold|count FOLDER``, the store in ``ALSEK_CHAOS``."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from alsek import Lock
from tests.chaos.stores import open_backend

NAME = "chaos-lock"
#: The ttl of the lock that :func:`hold` never gives back (ms).
TTL_MS = 1_000
THREADS, TURNS = 2, 15


def hold(folder: Path) -> None:
    """Take the lock, say so, and keep it till death."""
    with Lock(NAME, backend=open_backend(json.loads(os.environ["ALSEK_CHAOS"])), ttl=TTL_MS) as lock:
        assert lock.acquire()
        (folder / "held").touch()
        time.sleep(60)


def count(folder: Path) -> None:
    """In some threads: take turns at adding one to a number in a file, which is read and written in two steps."""
    backend = open_backend(json.loads(os.environ["ALSEK_CHAOS"]))
    number = folder / "number"

    def work() -> None:
        for _ in range(TURNS):
            with Lock(NAME, backend=backend, ttl=30_000) as lock:
                assert lock.acquire(wait=30_000)
                seen = int(number.read_text())
                time.sleep(0.001)
                number.write_text(str(seen + 1))
                with (folder / "fences").open("a") as fences:
                    fences.write(f"{lock.fence}\n")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    {"hold": hold, "count": count}[sys.argv[1]](Path(sys.argv[2]))
