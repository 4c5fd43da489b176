"""What importing alsek-core brings along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import alsek.core.message

CORE = Path(alsek.core.message.__file__).parents[2]

IMPORT_ALL = """
import sys
sys.path[:] = [folder for folder in sys.path if "site-packages" not in folder]
before = set(sys.modules)
import alsek
from alsek import *
import alsek.core.consumer, alsek.core.hooks, alsek.core.execution.opening, alsek.core.trigger
import alsek.storage.backends.memory, alsek.storage.backends.lazy
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots - set(sys.stdlib_module_names) - {"alsek"}))
print(sorted({"asyncio", "apscheduler", "ssl", "multiprocessing", "concurrent"} & roots))
"""

IMPORT_ONE = """
import sys
import alsek
print(sorted(name for name in sys.modules if name.startswith(("alsek.core", "alsek.storage"))))
"""


def output_of(program: str) -> list[str]:
    """What a fresh interpreter prints, with alsek-core alone on its path."""
    command = [sys.executable, "-c", program]
    environment = {"PYTHONPATH": str(CORE)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60)
    return done.stdout.splitlines()


def test_core_imports_the_standard_library_alone() -> None:
    """No third-party module, and of the standard library nothing that starts loops or processes."""
    assert output_of(IMPORT_ALL) == ["[]", "[]"]


def test_import_alsek_imports_next_to_nothing() -> None:
    """Names are imported when they are first asked for."""
    assert output_of(IMPORT_ONE) == ["[]"]
