"""Exceptions that are raised in another thread: CPython's ``PyThreadState_SetAsyncExc``.

The exception is raised at some later bytecode of that thread. Until then it can be taken back; the interpreter,
however, goes on believing that some thread has one to raise. That costs it a look at each call and each turn of a
loop, and on Python 3.11 a function that is traced or profiled (a debugger, coverage) then never begins: it looks
again and again. So whoever takes one back raises one in itself afterwards, which ends that belief.
"""

from __future__ import annotations

import ctypes
import threading

_set = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set.argtypes = (ctypes.c_ulong, ctypes.py_object)
_unset = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)

#: More turns of a loop than it can take until an exception is raised that has been set.
_TURNS = 10_000


class _Quiet(BaseException):
    """Raised to be caught at once."""


def raise_in_thread(thread: int, kind: type[BaseException]) -> None:
    """Have an exception of this kind raised in a thread, named by its ident. One that has ended is no error."""
    _set(thread, kind)


def clear_pending() -> None:
    """Take back what is to be raised in the calling thread and has not been yet.

    Nobody may call :func:`raise_in_thread` for this thread meanwhile.
    """
    me = threading.get_ident()
    _unset(me, None)
    try:
        _set(me, _Quiet)
        for _ in range(_TURNS):
            pass
    except _Quiet:
        pass
