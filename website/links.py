"""Links of a page, as the site needs them.

In the repository a page links to files by relative paths, which GitHub follows. On the site, a file that is a page has
another address, and a file that is none is shown by GitHub.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

REPOSITORY: Final = "https://github.com/alsek/alsek"

#: Pages of the site that are made of a file outside docs/.
OUTSIDE: Final = {
    "benchmarks.md": "benchmarks/RESULTS.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "examples.md": "examples/README.md",
    "security.md": "SECURITY.md",
}

#: Pictures of those pages.
PICTURES: Final = {"assets/benchmarks.svg": "benchmarks/RESULTS.svg"}

#: Files and folders of the repository in whose place the site has another name.
IN_PLACE_OF: Final = {source: name for name, source in (OUTSIDE | PICTURES).items()} | {
    "README.md": "index.md",
    "docs/decisions": "decisions.md",
}

_FENCE = re.compile(r"^ *```")
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>\))")


def for_the_site(markdown: str, page: str) -> str:
    """The text of a page (`decisions/0005-suspects.md`) with its links as the site needs them."""
    source = OUTSIDE.get(page, f"docs/{page}")
    lines, inside = [], False
    for line in markdown.splitlines(keepends=True):
        if _FENCE.match(line):
            inside = not inside
        lines.append(line if inside else _LINK.sub(lambda link: _rewritten(link, page, source), line))
    return "".join(lines)


def _rewritten(link: re.Match[str], page: str, source: str) -> str:
    return link["before"] + target_on_the_site(link["target"], page, source) + link["after"]


def target_on_the_site(target: str, page: str, source: str) -> str:
    """Where a link leads on the site.

    Args:
        target: As it is written.
        page: The page's path on the site.
        source: Its file's path in the repository.
    """
    path, hash_, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return target
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if file in IN_PLACE_OF:
        there = IN_PLACE_OF[file]
    elif file.startswith("docs/"):
        there = file.removeprefix("docs/")
    elif (ROOT / file).exists():
        kind = "tree" if (ROOT / file).is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{file}{hash_}{anchor}"
    else:
        return target
    return posixpath.relpath(there, posixpath.dirname(page) or ".") + hash_ + anchor
