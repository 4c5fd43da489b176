"""Sends many requests at once, and asks for the health page meanwhile. Prints one line of JSON.

    python web_client.py PORT REQUESTS AT_ONCE

Bare HTTP over asyncio's streams: a client that costs more than the application would be all that is measured.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

_PAUSE_S = 0.02
_WITHIN_S = 120.0


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(f"{path}: {head.decode()}{body.decode()}")
    return body


async def _requests(port: int, left: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while left:
        left.pop()
        assert await _get(reader, writer, "/work") == b"1"
    writer.close()


async def _health(port: int, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        began = time.perf_counter()
        await _get(reader, writer, "/health")
        took.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(_PAUSE_S)


async def _measure(port: int, requests: int, at_once: int) -> dict[str, float]:
    await _requests(port, [0] * 20)  # connections, scripts, caches
    took: list[float] = []
    health = asyncio.create_task(_health(port, took))
    left = [0] * requests
    began = time.perf_counter()
    async with asyncio.timeout(_WITHIN_S), asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(_requests(port, left))
    seconds = time.perf_counter() - began
    health.cancel()
    took.sort()
    return {
        "per second": requests / seconds,
        "health p50 ms": statistics.median(took),
        "health p99 ms": took[min(len(took) - 1, int(len(took) * 0.99))],
    }


def main() -> None:
    """As the command line says."""
    port, requests, at_once = map(int, sys.argv[1:4])
    print(json.dumps(asyncio.run(_measure(port, requests, at_once))))


if __name__ == "__main__":
    main()
