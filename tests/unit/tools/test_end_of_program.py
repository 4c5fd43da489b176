"""What is left running when a program ends without a word to it: nothing complains, and nothing keeps it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAD = """
import atexit, os, sys, threading, time
from alsek import Broker, StatusTracker, task
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.tools import StatusTrackerIntegrityScanner
from apscheduler.triggers.interval import IntervalTrigger
backend = SQLiteBackend(sys.argv[1])
often = IntervalTrigger(seconds=0.1)
ticked = threading.Event()
"""

SCANNER = """
class Scanner(StatusTrackerIntegrityScanner):
    def scan(self):
        ticked.set()
        return super().scan()
scanner = Scanner(StatusTracker(backend), trigger=often)
"""

TRIGGER = """
class Telling(Broker):
    def submit(self, message, **options):
        ticked.set()
        return super().submit(message, **options)
@task(Telling(backend), trigger=often)
def tick(): ...
tick.generate()
"""

#: Ticks come after the end of the main thread too, while another thread and exit handlers still run.
LINGER = """
assert ticked.wait(60)
def linger():
    ticked.clear()
    assert ticked.wait(60)
    time.sleep(0.2)
threading.Thread(target=linger).start()
atexit.register(time.sleep, 0.2)
"""

FORK = """
assert ticked.wait(60)
if not os.fork():
    if 'scanner' in globals():
        scanner.shutdown()
    sys.exit()
assert os.wait()[1] == 0
"""


def run(program: str, path: object) -> str:
    """What a program says that ends in good order."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", HEAD + program, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("end", [LINGER, FORK])
@pytest.mark.parametrize("ticking", [SCANNER, TRIGGER])
def test_the_end_of_a_program_is_silent(tmp_path: object, ticking: str, end: str) -> None:
    """A scanner or a trigger that was not stopped says nothing at the end, in a forked child neither."""
    assert run(ticking + end, f"{tmp_path}/alsek.db") == ""


def test_a_scan_under_way_does_not_keep_a_program(tmp_path: object) -> None:
    """The program ends in the midst of a scan that would take long."""
    slow = SCANNER.replace("return super().scan()", "time.sleep(600)")
    assert run(f"{slow}\nassert ticked.wait(60)\n", f"{tmp_path}/alsek.db") == ""
