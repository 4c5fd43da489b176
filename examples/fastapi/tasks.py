"""The task of this example. `alsek thread-pool tasks` runs it; the application imports it to submit files."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from alsek import Broker, Message, Reject, ResultStore, StatusTracker, TaskStatus, task
from alsek.storage.backends.sqlite import SQLiteBackend

backend = SQLiteBackend(os.environ.get("UPLOADS_DB", "uploads.db"))
result_store, status_tracker = ResultStore(backend), StatusTracker(backend)
broker = Broker(backend, result_store=result_store, status_tracker=status_tracker)

#: How many bytes are read between two reports of progress.
PIECE = 64 * 1024


@dataclass
class Summary:
    """What is known of a text."""

    lines: int
    words: int
    most_frequent: list[tuple[str, int]]


@task(broker)
async def summarize(path: Path, message: Message) -> Summary:
    """Read a text piece by piece, and say how far it is."""
    done, lines, words = 0, 0, Counter[str]()
    total = (await asyncio.to_thread(path.stat)).st_size
    with await asyncio.to_thread(path.open, "rb") as file:
        rest = b""
        while piece := await asyncio.to_thread(file.read, PIECE):
            done += len(piece)
            *whole, rest = (rest + piece).split(b"\n")
            lines += len(whole)
            try:
                words.update(word for line in whole for word in line.decode().lower().split())
            except UnicodeDecodeError as error:
                raise Reject(f"{path.name} is no UTF-8 text: {error}") from error
            await status_tracker.aset(message, TaskStatus.RUNNING, {"done": done, "total": total})
    words.update(rest.decode(errors="replace").lower().split())
    return Summary(lines + bool(rest), words.total(), words.most_common(3))
