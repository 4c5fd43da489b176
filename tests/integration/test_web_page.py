"""docs/web.md: its applications work, and its tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.mark.slow
@pytest.mark.deep
def test_the_pages_tests_pass(tmp_path: Path) -> None:
    """Each block of Python names its file; pytest finds the tests in them, and they pass without a store on disk."""
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        named = re.match(r"# (\w+\.py)\n", block)
        assert named is not None, block
        (tmp_path / named[1]).write_text(block)
    # Not the warnings of the frameworks, which say what will be in their next versions.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert "5 passed" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "web.db").exists()
