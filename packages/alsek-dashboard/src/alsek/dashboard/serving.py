"""Serves a dashboard by itself: what ``alsek dashboard`` does."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from alsek.exceptions import AlsekError


class AddressError(AlsekError):
    """The dashboard can't listen on its address."""


class _Server(uvicorn.Server):
    """A server that ends the streams of open pages when it stops, so that it need not wait for them.

    Args:
        config: Its settings.
        app: The dashboard.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._app.state.end_streams()
        await super().shutdown(sockets)


def serve(app: Starlette, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve an application until SIGINT or SIGTERM. Only for the main thread.

    Args:
        app: The application.
        host: A name or address of this machine.
        port: The port; 0 for any free one.
        ready: Called with the URL once connections are taken.

    Raises:
        AddressError: The address can't be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise AddressError(f"can't listen on {host}, port {port}: {error}") from error
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="off"
    )
    name = f"[{host}]" if ":" in host else host
    with listener:
        ready(f"http://{name}:{listener.getsockname()[1]}/")
        with _signals_end_it():
            asyncio.run(_Server(config, app).serve([listener]))


def _nothing(number: int, frame: FrameType | None) -> None:
    """Stand for the usual handler of a signal."""


@contextmanager
def _signals_end_it() -> Generator[None]:
    """Within this context, SIGINT and SIGTERM end the server, and do nothing more.

    The server has handlers of its own while it runs, and sends itself once more what it got, to those before.
    """
    before = {number: signal.signal(number, _nothing) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
