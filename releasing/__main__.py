"""`python -m releasing X.Y.Z`: sets the version of all packages and the changelog's heading, commits, and tags."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from releasing import changelog, packages
from releasing.errors import ReleaseRefused
from releasing.repository import Repository

#: Pages that must not say that there is no release. They say so until the first one.
SAYS_UNRELEASED = "is not on PyPI yet"
PAGES = ("README.md", "docs/start.md")


def release(root: Path, text: str) -> str:
    """Make a release in a repository, up to its tag, and return the tag. Nothing is pushed or published.

    Raises:
        ReleaseRefused: It can't be made, and nothing was changed.
    """
    version = packages.read_version(text)
    tag = f"v{version}"
    repository = Repository(root)
    repository.check_clean()
    check_newer(version, packages.current_version(root))
    repository.check_no_tag(tag)
    for page in PAGES:
        if SAYS_UNRELEASED in (root / page).read_text():
            raise ReleaseRefused(f"{page} says that a version {SAYS_UNRELEASED}: take that out, and commit")
    files = packages.with_version(root, version)
    log = root / "CHANGELOG.md"
    files[log] = changelog.with_release(log.read_text(), version, datetime.now(UTC).date())
    for file, content in files.items():
        file.write_text(content)
    try:
        repository.commit_and_tag(files, f"Release {version}", tag)
    except ReleaseRefused:
        repository.restore(files)
        raise
    return tag


def check_newer(version: Version, current: Version) -> None:
    """Raise ReleaseRefused for a version that is older than the present one."""
    if version < current:
        raise ReleaseRefused(f"{version} is older than the present version, {current}")


def main(arguments: list[str]) -> int:
    """Release what the repository in the working directory has; 1 if that is refused."""
    parser = argparse.ArgumentParser(prog="hatch run release", description=__doc__)
    parser.add_argument("version", help="X.Y.Z, or X.Y.ZrcN")
    given = parser.parse_args(arguments)
    try:
        tag = release(Path.cwd(), given.version)
    except ReleaseRefused as refusal:
        sys.stderr.write(f"Refused: {refusal}\n")
        return 1
    sys.stdout.write(f"Committed and tagged {tag}. To publish it: git push --atomic origin main {tag}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
