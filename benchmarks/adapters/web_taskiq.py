"""The same application on TaskIQ. It polls for results; how often is taken from the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import adapter_taskiq
from fastapi import FastAPI

_interval = float(os.environ["BENCH_CHECK_INTERVAL"])


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with adapter_taskiq.session():
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/work")
async def work() -> int:
    """Submit, and have the result."""
    task = await adapter_taskiq.echo.kiq()
    return (await task.wait_result(check_interval=_interval, timeout=60)).return_value


@app.get("/health")
async def health() -> bool:
    """Nothing."""
    return True
