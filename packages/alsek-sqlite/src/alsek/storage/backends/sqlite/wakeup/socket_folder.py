"""The folder of the registry and the sockets: ``<file>-wake``, beside the database file.

It is not in a folder for temporary files, so that all processes of the file find the same one, for any user and any
``TMPDIR``. Users that may write the file may use the folder, under any umask.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

#: The longest address of a Unix socket, with a margin: Linux takes 108 bytes, macOS 104.
_LONGEST: Final = 100


def make_folder(path: str) -> Path:
    """Return the folder of this database file; create it if need be.

    Raises:
        OSError: It can't be created.
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
            pass  # this user is not in the file's group: then only the owner and others have access
    # Users that may read the file may enter, those that may write it may create sockets; these get the file's group.
    folder.chmod(mode | (mode & 0o444) >> 2 | 0o2000)
    return folder


def open_up(place: Path, mode: int) -> None:
    """Give a file the permissions of the database file, whatever the umask is."""
    try:
        place.chmod(mode)
    except PermissionError:
        pass  # it is another user's, whose process has done it


def address_base(folder: Path, descriptor: int) -> str:
    """Return what to put before a socket's name, so that its address is short enough.

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
