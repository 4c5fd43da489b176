"""Upload texts, watch how far they are, fetch what was found. In two terminals:

    alsek thread-pool tasks
    uvicorn app:app

No handler blocks the event loop, and none of them needs a thread while it waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Response, UploadFile
from fastapi import Path as FromPath
from fastapi.responses import StreamingResponse
from tasks import Summary, result_store, status_tracker, summarize

from alsek import TaskFailedError

FOLDER = Path(os.environ.get("UPLOADS_FOLDER", "uploads"))
FOLDER.mkdir(exist_ok=True)

app = FastAPI(title="Texts")
Uuid = Annotated[str, FromPath(pattern=r"^[!-~]+$", max_length=255)]


@app.post("/texts", status_code=202)
async def upload(file: UploadFile) -> dict[str, str]:
    """Keep the file, submit its task, and say under which uuid to ask."""
    path = FOLDER / uuid.uuid4().hex
    data = await file.read()
    await asyncio.to_thread(path.write_bytes, data)
    message = await summarize.asend(path)
    return {"uuid": message.uuid}


@app.get("/texts/{text}")
async def status(text: Uuid) -> dict[str, Any]:
    """Say where it stands: its status, and how many of how many bytes are done."""
    if not await status_tracker.aexists(text):
        raise HTTPException(404, f"no text {text!r} was uploaded")
    present = await status_tracker.aget(text)
    return {"status": present.name, "progress": await status_tracker.aget_details(text)}


@app.get("/texts/{text}/events")
async def events(text: Uuid) -> StreamingResponse:
    """Stream each change of the status as a server-sent event, until the last one."""

    async def changes() -> AsyncIterator[str]:
        async for update in status_tracker.alisten(text, timeout=60_000):
            yield f"data: {json.dumps({'status': update.status.name, 'progress': update.details})}\n\n"

    return StreamingResponse(changes(), media_type="text/event-stream")


@app.get("/texts/{text}/summary")
async def summary(text: Uuid, response: Response, wait: int = 0) -> Summary | dict[str, str]:
    """Return what was found; wait for it up to `wait` ms. 202 while it isn't there, 422 if the text can't be read."""
    if not await status_tracker.aexists(text):
        raise HTTPException(404, f"no text {text!r} was uploaded")
    try:
        found: Summary = await result_store.aget(text, timeout=wait, keep=True, type=Summary)
    except TimeoutError:
        response.status_code = 202
        return {"status": (await status_tracker.aget(text)).name}
    except TaskFailedError as error:
        raise HTTPException(422, str(error)) from error
    return found


@app.get("/health")
async def health() -> dict[str, bool]:
    """Answer at once, whatever else is going on."""
    return {"alive": True}
