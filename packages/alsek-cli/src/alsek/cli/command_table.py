"""What each command is for, in one line: known without importing any."""

from __future__ import annotations

from typing import Final

SUMMARIES: Final = {
    "process-pool": "Run tasks in processes.",
    "thread-pool": "Run tasks in threads.",
}
