"""What bare processes do: the tasks' own function, called again and again, without queue, store or worker."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from benchmarks.round import ADAPTERS

_PROGRAM = """
import sys, time, measurements
n = int(sys.argv[1])
measurements.compute()
print(flush=True)
sys.stdin.readline()
began, cpu = time.perf_counter(), time.process_time()
for _ in range(n):
    measurements.compute()
print(n / (time.perf_counter() - began), (time.process_time() - cpu) / n)
"""


class Bare(NamedTuple):
    """What they did.

    Attributes:
        rate: Calls a second, of all together.
        cpu: CPU seconds a call.
    """

    rate: float
    cpu: float


def compute(processes: int, calls: int) -> Bare:
    """Let so many processes compute at once, each so many times, and nothing else."""
    command = [sys.executable, "-c", _PROGRAM, str(calls)]
    running = [
        subprocess.Popen(command, cwd=ADAPTERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        for process in running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        told = [process.communicate(timeout=120)[0].split() for process in running]
        return Bare(sum(float(rate) for rate, _ in told), sum(float(cpu) for _, cpu in told) / processes)
    finally:
        for process in running:
            process.kill()
            process.wait()
