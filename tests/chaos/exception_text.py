"""An exception as text, for threads.

Python 3.11's own formatting of tracebacks parses source lines, which fails when two threads do it at once ("AST
constructor recursion depth mismatch").
"""

from __future__ import annotations

import traceback


def told(error: BaseException) -> str:
    """What was raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames]
    return "\n".join([*places, f"{type(error).__name__}: {error}"])
