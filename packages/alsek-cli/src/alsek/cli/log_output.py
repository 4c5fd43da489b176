"""Where the commands of pools log: to stderr, as text or JSON."""

from __future__ import annotations

import logging
import sys
from typing import Final

_FORMAT: Final = "%(asctime)s %(levelname)-7s [%(process)d %(threadName)s] %(name)s: %(message)s"


class LogOutput:
    """Writes the records of Alsek to stderr; those of others too, unless the user's package has said where they go.

    The root logger is the user's: if the package that is imported configures it, it is left as it is.

    Args:
        level: The lowest level that is logged.
        form: ``"text"``, or ``"json"`` for one object a line.
    """

    def __init__(self, level: str, form: str) -> None:
        self._level = level.upper()
        self._as_json = form.lower() == "json"
        self._handler = logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(_json_formatter() if self._as_json else logging.Formatter(_FORMAT))
        self._alsek = logging.getLogger("alsek")  # noqa: TID251  the parent of Alsek's own loggers
        self._alsek.setLevel(self._level)
        self._alsek.addHandler(self._handler)

    def after_import(self) -> None:
        """Take in what the user's package has configured. Called once it is imported."""
        root = logging.root
        if not root.handlers:
            self._alsek.removeHandler(self._handler)
            root.addHandler(self._handler)
            root.setLevel(self._level)
        elif self._as_json:  # it was asked for
            self._alsek.propagate = False
        else:
            self._alsek.removeHandler(self._handler)
        # A user's own scheduler would log a line at each tick.
        apscheduler = logging.getLogger("apscheduler")  # noqa: TID251  it is another's logger
        apscheduler.setLevel(max(logging.WARNING, root.level))


def _json_formatter() -> logging.Formatter:
    from alsek.logs import JsonFormatter

    return JsonFormatter()
