"""The examples with a `run.py` run to their ends, and say what they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

#: The last line that each prints.
LAST_LINES = {
    "fan-out": "is: 2000",
    "nightly-report": "Report of ",
    "payments": "charged: [('order-0', 'ada', 990), ('order-1', 'ada', 990), ('order-2', 'ada', 990)]",
    "thumbnails": "dead letter: broken.png is no picture",
}


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.parametrize("name", LAST_LINES)
def test_it_runs(name: str, tmp_path: Path) -> None:
    """Started in another folder, it ends with exit code 0 and the right last line, and leaves no file there."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name / "run.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(LAST_LINES[name])
    assert list(tmp_path.iterdir()) == []


def test_each_example_is_listed_and_run() -> None:
    """examples/README.md names each folder, each has a README of its own, and each `run.py` is run by a test."""
    folders = {each.name for each in EXAMPLES.iterdir() if each.is_dir() and each.name != "__pycache__"}
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in sorted(folders) if f"[{name}]({name})" not in listed] == []
    assert [name for name in sorted(folders) if not (EXAMPLES / name / "README.md").exists()] == ["deploy"]
    others = {"quickstart", "results"}  # by tests of their own
    assert {each.parent.name for each in EXAMPLES.glob("*/run.py")} == set(LAST_LINES) | others
