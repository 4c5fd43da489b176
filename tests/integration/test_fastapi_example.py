"""The FastAPI example, as a user starts it: uvicorn and a worker as processes, and a client over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi"
TEXT = "to be or not to be\n" * 20_000 + "that is the question"
WAIT_S = 60.0


@contextmanager
def process(*command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {
        **os.environ,
        "UPLOADS_DB": str(folder / "uploads.db"),
        "UPLOADS_FOLDER": str(folder / "uploads"),
        "PYTHONPATH": str(EXAMPLE),
    }
    with (folder / f"{command[0]}.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=EXAMPLE, env=environ, stdout=log, stderr=log
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(60)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def worker(folder: Path) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(process("alsek.cli", "thread-pool", "tasks", folder=folder))
    return stack


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with process("uvicorn", "app:app", "--port", str(port), folder=tmp_path) as server:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                httpx.get(f"{address}/health")
                break
            except httpx.TransportError:
                alive = server.poll() is None and time.monotonic() < deadline
                assert alive, (tmp_path / "uvicorn.log").read_text()
                time.sleep(0.05)
        yield address


async def upload(client: httpx.AsyncClient, text: bytes = TEXT.encode()) -> str:
    answer = await client.post("/texts", files={"file": ("a.txt", text)})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["uuid"])


async def events_of(client: httpx.AsyncClient, text: str) -> AsyncIterator[dict[str, Any]]:
    async with client.stream("GET", f"/texts/{text}/events") as events:
        async for line in events.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


@pytest.mark.slow
def test_texts_are_summarized_while_the_application_answers(url: str, tmp_path: Path) -> None:
    async def session() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
            texts = await asyncio.gather(*(upload(client) for _ in range(20)))
            assert (await client.get(f"/texts/{texts[0]}")).json()["status"] == "SUBMITTED"
            early = await client.get(f"/texts/{texts[0]}/summary")
            assert (early.status_code, early.json()) == (202, {"status": "SUBMITTED"})
            with worker(tmp_path):
                waits = (client.get(f"/texts/{text}/summary", params={"wait": 60_000}) for text in texts)
                answers = await asyncio.gather(*waits)
                assert (await client.get("/health")).json() == {"alive": True}
                assert [answer.status_code for answer in answers] == [200] * 20
                for answer in answers:
                    assert answer.json() == {
                        "lines": 20_001,
                        "words": 120_004,
                        "most_frequent": [["to", 40_000], ["be", 40_000], ["or", 20_000]],
                    }
                # Twice: it is kept.
                assert (await client.get(f"/texts/{texts[0]}/summary")).status_code == 200
                assert (await client.get(f"/texts/{texts[0]}")).json()["status"] == "SUCCEEDED"

    asyncio.run(session())


@pytest.mark.slow
def test_progress_is_streamed_until_the_end(url: str, tmp_path: Path) -> None:
    async def session() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
            text = await upload(client)
            with worker(tmp_path):
                seen = [update async for update in events_of(client, text)]
            assert [seen[0]["status"], seen[-1]["status"]] == ["SUBMITTED", "SUCCEEDED"]
            progress = [each["progress"]["done"] for each in seen if each["progress"]]
            assert progress == sorted(progress)
            assert progress[-1] == len(TEXT)

    asyncio.run(session())


@pytest.mark.slow
def test_what_fails_and_what_is_unknown_is_said(url: str, tmp_path: Path) -> None:
    async def session() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
            text = await upload(client, b"\xff\xfe\n")
            with worker(tmp_path):
                failed = await client.get(f"/texts/{text}/summary", params={"wait": 60_000})
            assert failed.status_code == 422
            assert "is no UTF-8 text" in failed.json()["detail"]
            for path in ("/texts/nobody", "/texts/nobody/summary"):
                unknown = await client.get(path)
                assert (unknown.status_code, unknown.json()["detail"]) == (
                    404,
                    "no text 'nobody' was uploaded",
                )

    asyncio.run(session())


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_text(url: str, tmp_path: Path) -> None:
    async def session() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
            texts = await asyncio.gather(*(upload(client) for _ in range(10)))
            with process("alsek.cli", "thread-pool", "tasks", "--lease", "3000", folder=tmp_path) as first:
                async for update in events_of(client, texts[0]):
                    if update["status"] == "RUNNING":
                        break
                os.kill(first.pid, signal.SIGKILL)
            with worker(tmp_path):
                waits = (client.get(f"/texts/{text}/summary", params={"wait": 60_000}) for text in texts)
                answers = await asyncio.gather(*waits)
            assert [answer.status_code for answer in answers] == [200] * 10

    asyncio.run(session())
