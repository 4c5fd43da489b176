"""The program that a reloader starts: the ``alsek`` command, stopped when its reloader ends.

::

    python -P -m alsek.cli.reloading.pool_process PID COMMAND …
"""

from __future__ import annotations

import sys

from alsek.cli.main import main
from alsek.core.worker.forking import stop_with_parent

if __name__ == "__main__":
    stop_with_parent(int(sys.argv.pop(1)))
    main(prog_name="alsek")
