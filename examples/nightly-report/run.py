"""Show the schedule of the report, and make one now."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def alsek(*arguments: str) -> None:
    """Run a command, and show it."""
    print(f"$ alsek {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "alsek.cli", *arguments], cwd=HERE, check=True)


def main() -> int:
    """Run the example; 0 if there is one report."""
    with tempfile.TemporaryDirectory(prefix="alsek-reports-") as folder:
        os.environ["REPORTS_DB"] = str(Path(folder) / "reports.db")
        os.environ["REPORTS_FOLDER"] = str(Path(folder) / "reports")
        pool = ("thread-pool", "tasks", "--burst", "--log-level", "ERROR")
        alsek(*pool)
        alsek("schedule", "list", "--package", "tasks")
        alsek("schedule", "run", "nightly_report", "--package", "tasks")
        alsek(*pool)
        reports = list((Path(folder) / "reports").iterdir())
        for report in reports:
            print(report.read_text().strip())
        return 0 if len(reports) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
