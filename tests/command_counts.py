"""How many commands a Redis server has executed."""

from __future__ import annotations

import redis


def calls_of(server: redis.Redis) -> dict[str, int]:
    """By command, how often it was called since the server started; also by scripts."""
    stats = server.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(stat["calls"]) for name, stat in stats.items()}
