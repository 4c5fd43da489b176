"""The HTTP server of the monitor. Each request is answered from what is known, and waits for nothing."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple, TypeAlias

from alsek.core.loggers import guarded_logger
from alsek.version import __version__

log = guarded_logger(__name__)


class Answer(NamedTuple):
    """The answer to a request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


#: Answers a request for one path, given the formats that the client takes.
Page: TypeAlias = Callable[[str], Answer]


class _Server(ThreadingHTTPServer):
    """Listens on a socket that was bound before."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client went away, or sent nonsense: no trouble of the pool's."""
        log.debug("A request to the monitor has failed.", exc_info=sys.exception())


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version = f"alsek/{__version__}"
    sys_version = ""
    timeout = 5  # a client that sends nothing does not keep its thread
    pages: ClassVar[Mapping[str, Page]]

    def do_GET(self) -> None:
        """Answer with a page, or with 404."""
        answer = self._answer()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815  the base class calls it so

    def _answer(self) -> Answer:
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            there = " and ".join(self.pages)
            return Answer(HTTPStatus.NOT_FOUND, f"There is nothing here but {there}.\n".encode())
        try:
            return page(self.headers.get("Accept", ""))
        except Exception as error:
            log.exception("The monitor could not answer a request for %s.", self.path)
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error!r}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it so
        """Probes come every few seconds: they are logged for debugging alone."""
        log.debug("%s %s", self.address_string(), format % args)


def serve(listening: socket.socket, pages: Mapping[str, Page]) -> ThreadingHTTPServer:
    """Answer requests on a socket, in threads."""
    handler = type("Handler", (_Handler,), {"pages": pages})
    server = _Server(listening, handler)
    threading.Thread(target=server.serve_forever, name="alsek-http", daemon=True).start()
    return server
