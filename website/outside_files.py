"""Finds files that pages of the built site would load from other hosts."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

#: Links that only say something about the page; a browser loads nothing for them.
_LOADS_NOTHING = {"alternate", "author", "canonical", "license", "next", "prev"}


class _Loads(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element loads: any `src`, and the `href` of a `<link>`."""
        given = dict(attrs)
        if given.get("data-md-component") == "source":
            self.found.append("https://api.github.com (the theme's script looks for stars and releases)")
        loaded = given.get("src")
        if tag == "link" and not _LOADS_NOTHING & set((given.get("rel") or "").split()):
            loaded = given.get("href")
        if loaded and (loaded.startswith("//") or "://" in loaded):
            self.found.append(loaded)


def asked_for(site: Path) -> list[str]:
    """Each page with an address on another host that it loads: ``guide/index.html: https://…``."""
    return [
        f"{page.relative_to(site)}: {address}"
        for page in sorted(site.rglob("*.html"))
        for address in _in(page)
    ]


def _in(page: Path) -> Iterator[str]:
    parser = _Loads()
    parser.feed(page.read_text("utf-8"))
    yield from parser.found
