"""The versions in the repository: each package's own, those by which packages require one another, and the code's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from releasing.errors import ReleaseRefused

VERSION_FILE: Final = "packages/alsek-core/src/alsek/version.py"

_OWN = re.compile(r'^version = "[^"]*"$', re.MULTILINE)
_CODE = re.compile(r'^__version__: Final = "[^"]*"$', re.MULTILINE)


def read_version(text: str) -> Version:
    """A version as releases have it: X.Y.Z, perhaps with rcN.

    Raises:
        ReleaseRefused: It is none.
    """
    try:
        version = Version(text)
    except InvalidVersion:
        raise ReleaseRefused(f"{text!r} is no version: give X.Y.Z, or X.Y.ZrcN") from None
    canonical = f"{version.major}.{version.minor}.{version.micro}" + (
        f"rc{version.pre[1]}" if version.pre is not None else ""
    )
    if text != canonical or (version.pre is not None and version.pre[0] != "rc"):
        raise ReleaseRefused(f"{text!r} is no version of a release: give X.Y.Z, or X.Y.ZrcN")
    return version


def settings_of(root: Path) -> dict[Path, str]:
    """Each package's `pyproject.toml`, with its text."""
    return {file: file.read_text() for file in sorted(root.glob("packages/*/pyproject.toml"))}


def current_version(root: Path) -> Version:
    """The version of all packages.

    Raises:
        ReleaseRefused: They have not all the same.
    """
    found = {
        tomllib.loads(text)["project"]["version"]: file.parent.name
        for file, text in settings_of(root).items()
    }
    if len(found) != 1:
        raise ReleaseRefused(f"the packages have several versions: {found}; make them one first")
    return Version(next(iter(found)))


def with_version(root: Path, version: Version) -> dict[Path, str]:
    """The files that a version stands in, as they are to be: nothing is written."""
    files = {}
    settings = settings_of(root)
    names = "|".join(re.escape(tomllib.loads(text)["project"]["name"]) for text in settings.values())
    pin = re.compile(rf'"((?:{names})(?:\[[\w,-]+\])?)~=[^"]*"')
    for file, text in settings.items():
        made = _replaced_once(_OWN, f'version = "{version}"', text, file)
        files[file] = pin.sub(rf'"\1~={version}"', made)
    code = root / VERSION_FILE
    files[code] = _replaced_once(_CODE, f'__version__: Final = "{version}"', code.read_text(), code)
    return files


def _replaced_once(pattern: re.Pattern[str], by: str, text: str, file: Path) -> str:
    made, n_found = pattern.subn(by, text)
    if n_found != 1:
        raise ReleaseRefused(f"{file}: {n_found} lines set the version; there must be one")
    return made
