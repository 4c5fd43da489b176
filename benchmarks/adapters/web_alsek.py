"""A FastAPI application on Alsek: each request submits a task and awaits its result."""

from __future__ import annotations

import adapter_alsek
from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work() -> int:
    """Submit, and have the result."""
    message = await adapter_alsek.echo_async.asend()
    result: int = await adapter_alsek.echo_async.aresult(message, timeout=60_000)
    return result


@app.get("/health")
async def health() -> bool:
    """Nothing."""
    return True
