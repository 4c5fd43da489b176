"""A browser without a screen: keeps cookies, and sends the forms of the pages that it gets."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp

_FORM = re.compile(r'<form[^>]*method="post"[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input[^>]*name="([^"]*)"(?:[^>]*?value="([^"]*)")?')


class Browser:
    """Asks an ASGI application, in this process.

    Args:
        app: The application.
        base: The address under which it is asked.
    """

    def __init__(self, app: ASGIApp, base: str = "http://127.0.0.1:8080") -> None:
        self._runner = asyncio.Runner()
        self.base = base
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url=base, timeout=60)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Get a page; redirections are not followed."""
        return self._runner.run(self.client.get(path, headers=headers))

    def post(self, path: str, fields: dict[str, str] | None, **headers: str) -> httpx.Response:
        """Send a form, as a browser does from the same site."""
        given = {"sec-fetch-site": "same-origin", **headers}
        return self._runner.run(self.client.post(path, data=fields, headers=given))

    def send(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        """Send the first form of a page with this action, with more fields."""
        form = next((fields_of for path, fields_of in forms(page) if path.endswith(action)), None)
        assert form is not None, f"there is no form {action} in {page.url}"
        path = next(path for path, _ in forms(page) if path.endswith(action))
        return self.post(path, {**form, **fields})

    def follow(self, response: httpx.Response) -> httpx.Response:
        """Follow one redirection."""
        assert response.status_code == 303, response.text
        return self.get(response.headers["location"])

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the loop of this browser."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        """End it."""
        self._runner.run(self.client.aclose())
        self._runner.close()


def forms(page: httpx.Response) -> list[tuple[str, dict[str, str]]]:
    """The forms of a page that change something: where each goes, and its fields."""
    return [
        (html.unescape(path), {html.unescape(k): html.unescape(v) for k, v in _FIELD.findall(body)})
        for path, body in _FORM.findall(page.text)
    ]


def mounted(app: ASGIApp, prefix: str) -> Starlette:
    """An application that serves another one below a path."""
    outer = Starlette()
    outer.mount(prefix, app)
    return outer
