"""`python -m releasing.build DIST`: builds all packages twice, compares the bytes, and checks what PyPI would show.

The time in the archives is that of the commit, so that everybody who builds a commit gets the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from releasing import packages
from releasing.errors import ReleaseRefused


def build(root: Path, to: Path) -> dict[str, str]:
    """Build sdist and wheel of each package; return the digest (SHA-256) of each file by its name."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": _time_of_commit(root)}
    for settings in packages.settings_of(root):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(to)]
        subprocess.run(command, cwd=settings.parent, env=environ, check=True, stdout=subprocess.DEVNULL)
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(to.iterdir())}


def check_tag(root: Path, tag: str) -> None:
    """Raise ReleaseRefused if a tag is not that of the packages' version."""
    version = packages.current_version(root)
    if tag != f"v{version}":
        raise ReleaseRefused(f"the tag is {tag}, and the packages have version {version}")


def main(arguments: list[str]) -> int:
    """Build into DIST, which is emptied first; 1 if two builds differ, or a check fails."""
    parser = argparse.ArgumentParser(prog="hatch run dist:build", description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("--tag", help="refuse to build unless this is the tag of the packages' version")
    given = parser.parse_args(arguments)
    root, dist = Path.cwd(), given.dist.resolve()
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    try:
        if given.tag is not None:
            check_tag(root, given.tag)
        with tempfile.TemporaryDirectory() as folder:
            first, second = build(root, dist), build(root, Path(folder))
        differ = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
        if differ:
            raise ReleaseRefused(f"two builds differ: {', '.join(differ)}")
    except ReleaseRefused as refusal:
        sys.stderr.write(f"Refused: {refusal}\n")
        return 1
    for name, digest in first.items():
        sys.stdout.write(f"{digest}  {name}\n")
    sys.stdout.flush()
    checked = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(dist.iterdir()))]
    return subprocess.run(checked, check=False).returncode


def _time_of_commit(root: Path) -> str:
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=root, capture_output=True, text=True, check=False
    )
    # A copy without git: the oldest time that a ZIP archive can have.
    return done.stdout.strip() if done.returncode == 0 else "315532800"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
