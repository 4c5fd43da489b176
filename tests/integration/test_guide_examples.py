"""The programs in `examples/` run as a stranger runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an example to its end, in whatever folder the tests are in."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=240, check=False
    )


def test_the_example_of_results() -> None:
    """Chains, a stream with its bar, a harvest and a lock: each part shows what it should, and the workers stop."""
    done = run(str(EXAMPLES / "results" / "run.py"), "--seconds", "1", "--messages", "20", "--holding", "6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nested: [2, 3, 4, 5]" in done.stdout
    assert "as a tuple: [2, 3, 4, 5]" in done.stdout
    assert "20 of 20 results" in done.stdout
    assert "20/20" in done.stderr
    assert "results with descendants=True" in done.stdout
    assert "1 of 4 workers held it" in done.stdout
    assert "exit codes [0, 0, 0, 0]" in done.stdout


def test_the_quick_start() -> None:
    """All results come, and the worker stops in good order."""
    done = run(str(EXAMPLES / "quickstart" / "run.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 of 100 results; the worker ended with exit code 0" in done.stdout
