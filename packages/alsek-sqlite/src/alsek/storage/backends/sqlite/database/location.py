"""Checks where a database file may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alsek.exceptions import BackendUnavailableError, ValidationError

#: File systems whose locks or shared memory don't work between machines; WAL needs both.
_REMOTE: Final = frozenset(
    (
        *(
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "davfs",
            "gfs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
        ),
        *("nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"),
        *("fuse.ceph", "fuse.davfs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
    )
)

_MOUNTS: Final = Path("/proc/mounts")


def resolved(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a database file, with links and ``~`` resolved.

    Raises:
        ValidationError: It names no file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValidationError(f"path {path!r}: must be the path of a file")
    text = os.fspath(path)
    if not text or "\0" in text:
        raise ValidationError(f"path {path!r}: must be the path of a file")
    if text == ":memory:" or text.startswith("file:"):
        raise ValidationError(
            f"path {text!r}: SQLiteBackend keeps its messages in a file, named by a plain path; for a store in "
            "this process's memory use alsek.storage.backends.memory.MemoryBackend"
        )
    return os.path.realpath(Path(text).expanduser())


def check(path: str) -> None:
    """Return if a database may be opened or created at `path`.

    Raises:
        BackendUnavailableError: It may not; the text says why, and what to do.
    """
    folder = Path(path).parent
    if Path(path).is_dir():
        raise BackendUnavailableError(f"SQLite file {path}: this is a folder; give the path of a file in it")
    if not folder.is_dir():
        raise BackendUnavailableError(f"SQLite file {path}: there is no folder {folder}; create it first")
    kind = file_system(str(folder))
    if kind in _REMOTE:
        raise BackendUnavailableError(
            f"SQLite file {path}: it lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "put it on a local disk, or use the Redis backend for several machines"
        )


def file_system(folder: str) -> str:
    """Return the type of the file system that `folder` is on; an empty text if that can't be found out."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""  # not Linux
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = folder == place or folder.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):  # of two mounts at one place the later one counts
            best, kind = place, fields[2]
    return kind
