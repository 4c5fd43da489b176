"""Processes that open a file together before there is one."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from alsek.storage.backends.sqlite import SQLiteBackend

#: It starts many processes.
pytestmark = pytest.mark.slow

_PROCESSES, _ROUNDS = 4, 25


def _open(folder: str, together: Barrier) -> None:
    for attempt in range(_ROUNDS):
        together.wait(60)
        backend = SQLiteBackend(Path(folder) / f"{attempt}.db")
        backend.ping()
        backend.close()


def test_a_file_is_never_taken_for_anothers_while_it_is_created(tmp_path: Path) -> None:
    """Whoever comes in the middle of the first opening waits, or comes after it."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(_PROCESSES)
    processes = [context.Process(target=_open, args=(str(tmp_path), together)) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == _PROCESSES * [0]
