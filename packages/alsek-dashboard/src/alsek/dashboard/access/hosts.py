"""Refuses requests under foreign names: a page elsewhere may have its own name point to 127.0.0.1."""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: The names of this machine for itself.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class KnownHosts:
    """Answers requests whose ``Host`` is one of these names; others get 421.

    Args:
        app: The application.
        hosts: The names, in lower case, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and host_of(scope) not in self._hosts:
            text = f"This dashboard is only served as {', '.join(sorted(self._hosts))}.\n"
            await PlainTextResponse(text, 421)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def host_of(scope: Scope) -> str:
    """Return the name in the ``Host`` of a request, in lower case and without port; empty if there is not just one."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return ""
    host = str(hosts[0], "latin-1").strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
