"""The benchmark command still runs: nothing else would notice that a part of it was moved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.deep
def test_the_benchmark_measures_alsek_on_both_stores_and_writes_its_report(tmp_path: Path) -> None:
    report = tmp_path / "RESULTS.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--peers", "--messages", "60"]
    command += ["--cases", "submit", "drain", "--output", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)

    assert done.returncode == 0, done.stderr
    text = report.read_text()
    assert "FAILED" not in done.stderr
    for row in ("Submit one by one", "Drain, one worker, eight at once"):
        assert f"## {row}" in text
    assert text.count("| Alsek on SQLite |") >= 2
