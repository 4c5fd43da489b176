"""Who gives a command."""

from __future__ import annotations

import getpass
import socket


def whoever() -> str:
    """Return ``user@host`` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may have no name for its user
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
