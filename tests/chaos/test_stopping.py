"""The judge of the long form, told to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chaos import process_tree as processes

pytestmark = pytest.mark.deep

_ROOT = Path(__file__).parents[2]
_COMMAND = (sys.executable, "-m", "tests.chaos", "--minutes", "20", "--at-once", "2", "--seed", "3")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_judge_that_is_stopped_leaves_nothing_running(number: signal.Signals, tmp_path: Path) -> None:
    """Pools and servers end before the judge does, and their folders are gone."""
    mark = uuid4().hex
    judge = subprocess.Popen(
        [*_COMMAND, "--only", "limits of 1", "--store", "redis"],
        cwd=_ROOT,
        env={**os.environ, "MARK": mark, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not {"redis-server", "thread-pool", "process-pool"} <= _commands_below(judge.pid):
            assert judge.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        there = set(processes.tree(judge.pid))
        judge.send_signal(number)
        assert judge.wait(120) == 128 + number
        assert [pid for pid in there if processes.tree(pid)] == []
        assert processes.marked(mark) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        judge.kill()
        judge.wait(60)
        for pid in processes.marked(mark):
            processes.send(pid)


def _commands_below(judge: int) -> set[str]:
    """The words of the command lines of all that a process has started; Redis changes its own to one with a colon."""
    found: set[str] = set()
    for pid in processes.tree(judge):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/cmdline").read_text()
            found |= {Path(word).name for word in text.replace("\0", " ").split(" ")}
    return found
