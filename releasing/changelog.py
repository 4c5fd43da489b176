"""The heading of a release in the changelog."""

from __future__ import annotations

import re
from datetime import date

from packaging.version import Version

from releasing.errors import ReleaseRefused

REPOSITORY = "https://github.com/alsek/alsek"

_UNRELEASED = "## [Unreleased]\n"
_LINK = re.compile(r"^\[Unreleased\]: .*$", re.MULTILINE)


def with_release(text: str, version: Version, day: date) -> str:
    """The changelog, with what was unreleased below the heading of a version.

    Raises:
        ReleaseRefused: Nothing is unreleased, the version has a heading, or the file has another form.
    """
    before, heading, after = text.partition(_UNRELEASED)
    link = _LINK.search(text)
    if not heading or link is None:
        raise ReleaseRefused(
            "CHANGELOG.md needs a heading '## [Unreleased]', and a link of that name at its end"
        )
    if f"\n## [{version}]" in text:
        raise ReleaseRefused(f"CHANGELOG.md has a heading for {version} already")
    entries = after[: _LINK.search(after).start()].partition("\n## [")[0]  # type: ignore[union-attr]
    if "\n- " not in entries:
        raise ReleaseRefused(
            "CHANGELOG.md says nothing below '## [Unreleased]': write what users will notice"
        )
    made = f"{before}{heading}\n## [{version}] - {day.isoformat()}\n{after}"
    links = f"[Unreleased]: {REPOSITORY}/compare/v{version}...HEAD\n[{version}]: {REPOSITORY}/releases/tag/v{version}"
    return _LINK.sub(links, made)
