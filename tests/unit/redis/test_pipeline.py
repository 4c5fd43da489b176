"""The connection that calls of an event loop share, without a server: what a cancelled call leaves to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.exceptions import ResponseError

from alsek.storage.backends.redis.client.reply_reader import PlainReader
from alsek.storage.backends.redis.event_loop.pipeline import Pipeline


class _Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.written += lines


def _pipeline() -> tuple[Pipeline, list[bytes]]:
    pipeline: Any = Pipeline(asyncio.get_running_loop(), PlainReader(ResponseError), 60.0)
    pipeline._transport = _Transport()
    return pipeline, pipeline._transport.written


def test_the_reply_to_a_cancelled_call_is_dropped() -> None:
    """The calls behind it get their own replies."""

    async def main() -> None:
        pipeline, _ = _pipeline()
        asked = [pipeline.ask(b"first"), pipeline.ask(b"second"), pipeline.ask(b"third")]
        await asyncio.sleep(0)
        asked[1].cancel()
        pipeline.data_received(b":1\r\n:2\r\n:3\r\n")
        assert [await asked[0], await asked[2]] == [1, 3]

    asyncio.run(main())


def test_a_call_that_is_cancelled_before_it_is_sent_is_not_sent() -> None:
    """It waits behind another one until the loop's turn ends; the next replies are those of the others."""

    async def main() -> None:
        pipeline, written = _pipeline()
        asked = [pipeline.ask(b"first"), pipeline.ask(b"second"), pipeline.ask(b"third")]
        asked[1].cancel()
        await asyncio.sleep(0)
        assert written == [b"first", b"third"]
        pipeline.data_received(b":1\r\n:3\r\n")
        assert [await asked[0], await asked[2]] == [1, 3]

    asyncio.run(main())
