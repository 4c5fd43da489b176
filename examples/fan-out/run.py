"""Submit a book in pieces, let a pool count them, and show the sum."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: A book of 5,000 lines.
BOOK = [
    "to be or not to be",
    "that is the question",
    "whether it is nobler in the mind to suffer",
    "",
    "or not",
]


def main() -> int:
    """Run the example; 0 if the counts are right."""
    with tempfile.TemporaryDirectory(prefix="alsek-fan-out-") as folder:
        os.environ["FAN_OUT_DB"] = str(Path(folder) / "fan-out.db")
        sys.path.insert(0, str(HERE))
        from tasks import add_up, count_book

        group = count_book(BOOK * 1_000)
        print(f"{group.progress().total} pieces")
        subprocess.run(
            [sys.executable, "-m", "alsek.cli", "thread-pool", "tasks", "--burst", "--log-level", "ERROR"],
            cwd=HERE,
            check=True,
        )
        most_frequent = add_up.result(group.callback)
        for word, times in most_frequent:
            print(f"{word}: {times}")
        return 0 if group.progress().succeeded == 50 and most_frequent[0] == ("to", 3_000) else 1


if __name__ == "__main__":
    sys.exit(main())
