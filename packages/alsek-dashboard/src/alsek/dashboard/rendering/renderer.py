"""Makes HTML of what pages show. Everything that a store says is escaped."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alsek.core.inspection.wording import counted, moment, span
from alsek.dashboard.pages.all_pages import MENU
from alsek.dashboard.pages.page import View
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.settings import Settings
from alsek.version import __version__

_TEMPLATES: Final = Path(__file__).parent / "templates"
#: Of longer texts and values a page shows the beginning: it is sent again and again while it is open.
_LONGEST: Final = 50_000


class Renderer:
    """Makes HTML.

    What is sent to many pages has :attr:`placeholder` in the place of the seal of their forms, which differs.

    Args:
        settings: Of the dashboard.
    """

    def __init__(self, settings: Settings) -> None:
        self.placeholder = f"seal-{secrets.token_hex(16)}"
        self._settings = settings
        self._environment = _environment()

    def page(self, view: View, snapshot: Snapshot | None, shown: Mapping[str, Any], **more: Any) -> str:
        """Return a page as a whole; without a snapshot one that can't show the store."""
        return self._made("page.html", view, snapshot, shown, more)

    def news(self, view: View, snapshot: Snapshot, shown: Mapping[str, Any]) -> str:
        """Return those parts of a page that are replaced in open ones."""
        return self._made("news.html", view, snapshot, shown, {"seal": self.placeholder})

    def login(self, base: str, **more: Any) -> str:
        """Return the page that asks for the token."""
        return self._environment.get_template("login.html").render(base=base, url=_urls(base), **more)

    def _made(
        self,
        template: str,
        view: View,
        snapshot: Snapshot | None,
        shown: Mapping[str, Any],
        more: dict[str, Any],
    ) -> str:
        url = _urls(view.base)
        context: dict[str, Any] = {
            "notice": None,
            "live": snapshot is not None,
            "with_token": self._settings.token is not None,
            "read_only": self._settings.read_only,
            "template": f"pages/{view.page.name}.html",
            "base": view.base,
            "url": url,
            "back": f"{view.page.name}?{urlencode(view.query, errors='replace')}",
            "events": url("events", page=view.page.name, **dict(view.query)),
            "page": view.page,
            "snapshot": snapshot,
            "now": 0 if snapshot is None else snapshot.now,
        }
        return self._environment.get_template(template).render(context | dict(shown) | more)


def _urls(base: str) -> Any:
    """Return the function that makes URLs for templates."""

    def url(name: str, /, **query: Any) -> str:
        path = f"{base}/" if name == "overview" else f"{base}/{name}"
        given = {key: value for key, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given, errors='replace')}" if given else path

    return url


def _json(value: Any, most: int = _LONGEST) -> str:
    return _cut(json.dumps(value, indent=2 if most == _LONGEST else None, ensure_ascii=False), most)


def _cut(text: str, most: int = _LONGEST) -> str:
    """Return a text, or its beginning and how much more there is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} more characters)"


@cache
def _environment() -> Environment:
    """Return the templates, which are compiled once for all dashboards of a process."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        num=lambda number: f"{number:,}",
        rate=lambda number: f"{number:,.1f}",
        span=span,
        moment=moment,
        json=_json,
        cut=_cut,
    )
    known: dict[str, Any] = environment.globals
    known.update({"menu": MENU, "version": __version__, "counted": counted})
    return environment
