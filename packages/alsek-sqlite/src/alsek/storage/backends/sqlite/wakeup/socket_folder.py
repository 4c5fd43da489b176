"""The folder beside the file in which processes reach each other: ``<file>-wake``.

It is beside the file, and not in some folder for temporary files, so that all processes of the file find the same one,
whatever user they run as and whatever their ``TMPDIR`` is. Whoever may write the file may use it, under any umask.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

#: A Unix socket's address ends at 108 bytes on Linux, 104 on macOS.
_LONGEST: Final = 100


def make_folder(path: str) -> Path:
    """The folder of this database file, made if need be.

    Raises:
        OSError: It can't be made.
    """
    folder = Path(f"{path}-wake")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return folder
    file = Path(path).stat()
    mode = file.st_mode & 0o666
    if file.st_gid != folder.stat().st_gid:
        try:
            os.chown(folder, -1, file.st_gid)
        except PermissionError:
            pass  # not a member of the file's group: then only the owner and others are let in
    # Who may read the file may enter, who may write it may make sockets; what is made there gets the file's group.
    folder.chmod(mode | (mode & 0o444) >> 2 | 0o2000)
    return folder


def open_up(place: Path, mode: int) -> None:
    """Give a file the permissions of the database file, whatever the umask is."""
    try:
        place.chmod(mode)
    except PermissionError:
        pass  # another user's, who has done it


def address_base(folder: Path, descriptor: int) -> str:
    """What to put before a socket's name, so that its address is short enough.

    Args:
        folder: The folder.
        descriptor: The folder, opened.

    Raises:
        OSError: It is too long, and can't be shortened here.
    """
    base = f"{folder}/"
    if len(os.fsencode(base)) + 4 <= _LONGEST:
        return base
    if sys.platform == "linux":
        # The kernel follows this link to the folder, however long its path is.
        return f"/proc/self/fd/{descriptor}/"
    raise OSError(f"the path {base} is too long for a Unix socket on this platform")
