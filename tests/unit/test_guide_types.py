"""The code of the guide passes a strict type checker: what a reader copies gives him no errors of ours."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.markdown_blocks import blocks_of, chapters

ROOT = Path(__file__).parents[2]

#: The one function without a type hint shows that `message` needs none.
MEANT = re.compile(
    r"message_passing\.py:\d+: error: Function is missing a type annotation .*\[no-untyped-def\]"
)


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed here")
def test_the_guide_passes_mypy(tmp_path: Path) -> None:
    """Each chapter as one module, in mypy's strict mode. Alternatives in a chapter may give a name another type."""
    files = []
    for title, blocks in chapters(blocks_of(ROOT / "docs" / "guide.md", "python")).items():
        file = tmp_path / f"{title.lower().replace(' ', '_')}.py"
        file.write_text("\n\n".join(block.code for block in blocks))
        files.append(str(file))
    assert files
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--allow-redefinition",
    ]
    command += ["--cache-dir", str(tmp_path / "cache"), *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line and not MEANT.search(line)]
    assert not errors, "\n".join(errors)
    assert "no-untyped-def" in done.stdout, done.stdout + done.stderr  # it has looked
