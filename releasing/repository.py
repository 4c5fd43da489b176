"""What a release asks of git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from releasing.errors import ReleaseRefused


class Repository:
    """A git repository.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def check_clean(self) -> None:
        """Raise ReleaseRefused if a file has changed or is not known to git."""
        changed = self._git("status", "--porcelain")
        if changed:
            raise ReleaseRefused(
                f"there are changes that are not committed; commit or stash them first:\n{changed}"
            )

    def check_no_tag(self, tag: str) -> None:
        """Raise ReleaseRefused if the tag is there."""
        if self._git("tag", "--list", tag):
            raise ReleaseRefused(f"the tag {tag} exists: that version was released; choose a higher one")

    def commit_and_tag(self, files: Iterable[Path], message: str, tag: str) -> None:
        """Commit these files and tag the commit; what was there before stays, if git refuses."""
        names = [str(file.relative_to(self._root)) for file in files]
        self._git("add", "--", *names)
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        self._git("tag", "--annotate", tag, "--message", message)

    def restore(self, files: Iterable[Path]) -> None:
        """Undo what was written, and not committed."""
        names = [str(file.relative_to(self._root)) for file in files]
        self._git("restore", "--staged", "--worktree", "--", *names)

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self._root, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ReleaseRefused(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()
