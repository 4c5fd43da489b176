"""Exceptions raised in another thread, and taken back."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from alsek.core.worker.thread_executor.async_exceptions import clear_pending, raise_in_thread
from tests.unit.workers.fakes import PATIENCE


def test_an_exception_is_raised_in_another_thread() -> None:
    """In code that runs, at once; a thread that has ended is left in peace."""
    begun, raised = threading.Event(), threading.Event()

    def run() -> None:
        try:
            begun.set()
            while True:
                pass
        except TimeoutError:
            raised.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(PATIENCE)
    assert thread.ident is not None
    raise_in_thread(thread.ident, TimeoutError)
    thread.join(PATIENCE)
    assert raised.is_set()
    raise_in_thread(thread.ident, TimeoutError)


def test_what_is_taken_back_is_not_raised() -> None:
    """Nor anything else: the thread goes on as if nothing had been."""
    clear_pending()
    for _ in range(10_000):
        pass


_TRACED_AFTERWARDS = """
import sys
from alsek.core.worker.thread_executor.async_exceptions import clear_pending

def function():
    return 1

def trace(*_):
    return trace

clear_pending()
sys.settrace(trace)
assert function() == 1
sys.settrace(None)
sys.setprofile(trace)
assert function() == 1
"""


@pytest.mark.parametrize("times", [1, 3])
def test_traced_functions_run_afterwards(times: int) -> None:
    """The interpreter does not go on looking for an exception: on Python 3.11 a traced function would never begin."""
    program = _TRACED_AFTERWARDS.replace("clear_pending()\n", "clear_pending()\n" * times)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)
