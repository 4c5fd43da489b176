"""Waiting for what other threads and processes do: until it is so, or until a test has waited too long."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable
from typing import Any

import pytest

from alsek.storage.backends.ports import Waiter


def eventually(
    holds: Callable[[], Any],
    within: float = 60.0,
    explain: Callable[[], str] = lambda: "it never came true",
) -> None:
    """Return once `holds()` is true; fail if it is not within so many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(explain())
        time.sleep(0.005)


def rings(waiter: Waiter, within: float = 60.0) -> bool:
    """Return True once the waiter says that it is worth claiming; False if it does not within so many seconds."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([waiter.fileno()], [], [], left)
        if readable and waiter.drain():
            return True
    return False


def patient(code: str) -> str:
    """Return code of the documents whose waits of 5 to 30 s last a minute: where it runs, they only end a hung test."""
    return re.sub(r"timeout=(5000|5_000|10_000|30_000)\b", "timeout=60_000", code)
