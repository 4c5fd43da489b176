"""What the thread of an event loop is executing, read from its frames."""

from __future__ import annotations

import asyncio
import linecache
import sys
import sysconfig
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NamedTuple

from alsek.core.current_message import CURRENT
from alsek.core.message import Message
from alsek.core.worker.coroutine_executor.job import CoroutineJob

#: A callback of the loop, in its own context. Each step of a coroutine is one.
_CALLBACK: Final = asyncio.Handle._run.__code__  # noqa: SLF001

#: Where Python and installed packages are.
_LIBRARIES: Final = tuple(
    {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen "}
)

#: The frames of all threads.
_frames: Final[Callable[[], dict[int, FrameType]]] = getattr(sys, "_current_frames")  # noqa: B009


class Executing(NamedTuple):
    """What a loop executes.

    Attributes:
        message: The message to which that belongs; None if it belongs to none, or it is not known.
        where: The file and the line, and what is written there. The innermost that belongs to no library.
    """

    message: Message | None
    where: str


def executing(thread: threading.Thread) -> Executing | None:
    """Return what the thread of a loop executes now; None if the loop waits."""
    innermost = None if thread.ident is None else _frames().get(thread.ident)
    frame, users = innermost, None
    try:
        while frame is not None:
            if frame.f_code is CoroutineJob.CODE:  # it began at once, not in a callback of its own
                delivery = frame.f_locals["self"].delivery
                return Executing(None if delivery is None else delivery.message, _where(users or innermost))
            if frame.f_code is _CALLBACK:
                context: Any = getattr(frame.f_locals["self"], "_context", {})
                return Executing(context.get(CURRENT), _where(users or innermost))
            if users is None and not _is_of_library(frame):
                users = frame
            frame = frame.f_back
        return None
    finally:
        del frame, innermost, users  # a frame keeps everything alive that it has


def _is_of_library(frame: FrameType) -> bool:
    """Whether code of Python, of an installed package or of Alsek runs in the frame."""
    file, module = frame.f_code.co_filename, frame.f_globals.get("__name__", "")
    return file.startswith(_LIBRARIES) or str(module).startswith("alsek.")


def _where(frame: FrameType | None) -> str:
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
    place = f"{code.co_filename}, line {frame.f_lineno}, in {code.co_qualname}"
    return f"{place}: {line}" if line else place
