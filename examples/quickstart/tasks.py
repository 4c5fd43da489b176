"""The tasks of the quick start: one file, one store, no server.

`alsek thread-pool tasks` runs them; a program that imports this file can submit them.
"""

from __future__ import annotations

import os
import time

from alsek import Broker, ResultStore, task
from alsek.storage.backends.sqlite import SQLiteBackend

# With a Redis: `from alsek.storage.backends.redis import RedisBackend`, and `RedisBackend()` in place of this.
backend = SQLiteBackend(os.environ.get("QUICKSTART_DB", "alsek.db"))

broker = Broker(backend)
result_store = ResultStore(backend)


@task(broker, result_store=result_store)
def count_primes(below: int) -> int:
    """How many primes there are below a number."""
    time.sleep(0.02)  # and something to wait for, as most tasks have
    sieve = bytearray([1]) * below
    sieve[:2] = b"\0\0"
    for number in range(2, int(below**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
    return sum(sieve)
