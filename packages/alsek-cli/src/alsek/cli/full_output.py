"""What a command says if its output can't be written, because the disk is full, for example."""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

import click

from alsek.cli.failures import EXIT_FAILED

#: What a write to a file ends with that can't be written to any more.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def tell_if_stdout_is_full(error: OSError) -> None:
    """Say that nothing more can be written to stdout, and exit, if that is so; otherwise return.

    Args:
        error: What ended the command. A command writes to nothing else but stores, whose errors are Alsek's own.
    """
    if error.errno not in _FULL or error.filename is not None:
        return
    # At its end Python tries once more to write, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    click.echo(f"alsek: the output can't be written: {error.strerror}", err=True)
    sys.exit(EXIT_FAILED)
