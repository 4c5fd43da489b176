"""Type checkers see a task's signature."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed here")
def test_mypy_agrees_with_the_typed_example(tmp_path: Path) -> None:
    """What is asserted of types in typed_example.py holds, and what is ignored there is an error indeed."""
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(tmp_path / "cache"), str(HERE / "typed_example.py")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ), timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
