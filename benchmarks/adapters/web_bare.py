"""The same application without a queue: what the web framework alone does."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/work")
async def work() -> int:
    """Something at once."""
    return 1


@app.get("/health")
async def health() -> bool:
    """Nothing."""
    return True
