"""How many commands a Redis server has executed."""

from __future__ import annotations

import pytest
import redis

from tests.conftest import redis_version

#: For tests that count what is executed when a script is called for the first time.
counts_first_calls = pytest.mark.skipif(
    redis_version() < (7,), reason="before Redis 7 the first call of a script tries each of its commands"
)


def calls_of(server: redis.Redis) -> dict[str, int]:
    """By command, how often it was called since the server started; also by scripts."""
    stats = server.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()}
