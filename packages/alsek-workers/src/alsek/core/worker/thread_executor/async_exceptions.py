"""Raises exceptions in other threads, by CPython's ``PyThreadState_SetAsyncExc``.

The exception is raised at some later bytecode of that thread. Until then it can be cleared. But the interpreter then
keeps its flag that some thread has an exception to raise. While the flag is set, each call and each turn of a loop
checks it, and on Python 3.11 a function that is traced or profiled (a debugger, coverage) never starts: it checks again
and again. So after clearing an exception, a thread raises one in itself, which resets the flag.
"""

from __future__ import annotations

import ctypes
import threading

_set = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set.argtypes = (ctypes.c_ulong, ctypes.py_object)
_unset = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)

#: More turns of a loop than pass until an exception that was set is raised.
_TURNS = 10_000


class _Reset(BaseException):
    """Raised only to reset the interpreter's flag."""


def raise_in_thread(thread: int, kind: type[BaseException]) -> None:
    """Raise an exception of this kind in the thread with this ident. Does nothing if that thread has ended."""
    _set(thread, kind)


def clear_pending() -> None:
    """Clear an exception that was set for the calling thread and has not been raised yet.

    :func:`raise_in_thread` must not be called for this thread meanwhile.
    """
    me = threading.get_ident()
    _unset(me, None)
    try:
        _set(me, _Reset)
        for _ in range(_TURNS):
            pass
    except _Reset:
        pass
