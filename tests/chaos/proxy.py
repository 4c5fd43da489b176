"""A TCP proxy before the store: it delays, drops, cuts half-way, goes silent, on a word."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Coroutine
from typing import Any


class Proxy:
    """Listens on a port of its own and passes what comes to `target`, as well as its faults let it.

    The attributes may be set at any time, from any thread.

    Attributes:
        delay: Seconds that each piece is held back, both ways.
        lose_reply: The chance that a request is passed on, and the connection cut before its reply comes back.
        half_reply: The chance that half of a reply is passed, and then the connection cut.
        drop_request: The chance that the connection is cut before a request is passed on.
        silent: Half-open: connections stay, and nothing passes.
        closed: New connections are ended at once.
        faults: How many connections have been cut, and not by :meth:`cut_all`.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self.delay = 0.0
        self.lose_reply = self.half_reply = self.drop_request = 0.0
        self.silent = self.closed = False
        self.faults = 0
        self._target = target
        self._random = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(256)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="chaos-proxy", daemon=True)
        self._thread.start()

    def cut_all(self) -> None:
        """End all connections there are."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def heal(self) -> None:
        """Pass everything from now on; connections that were silent are cut."""
        self.delay = self.lose_reply = self.half_reply = self.drop_request = 0.0
        was_silent, self.silent, self.closed = self.silent, False, False
        if was_silent:
            self.cut_all()

    def lead_to(self, target: int) -> None:
        """Where new connections lead from now on; those there are stay."""
        self._target = target

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()
        server.close()
        self._abort_all()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _abort_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(to_upstream)
        doomed: list[str] = []
        ways: list[Coroutine[Any, Any, None]] = [
            self._pass(reader, to_upstream, doomed, up=True),
            self._pass(upstream, writer, doomed, up=False),
        ]
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the proxy is being closed
        finally:
            for task in tasks:
                task.cancel()
            for end in (writer, to_upstream):
                end.transport.abort()
                self._writers.discard(end)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: list[str], *, up: bool
    ) -> None:
        while True:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                return
            if not data:
                return
            if self.delay:
                await asyncio.sleep(self.delay)
            while self.silent:  # noqa: ASYNC110 (set from other threads)
                await asyncio.sleep(0.02)
            if up and self._chance(self.drop_request):
                return
            if up and not doomed:
                if self._chance(self.lose_reply):
                    doomed.append("lose")
                elif self._chance(self.half_reply):
                    doomed.append("half")
            if not up and doomed:
                if doomed[0] == "half":
                    writer.write(data[: len(data) // 2])
                    with contextlib.suppress(OSError):
                        await writer.drain()
                return
            writer.write(data)
            with contextlib.suppress(OSError):
                await writer.drain()

    def _chance(self, share: float) -> bool:
        if share and self._random.random() < share:
            self.faults += 1
            return True
        return False
