"""A producer that may die: submits chains whose uuids its command line names, and says so when all were taken.

``python -m tests.chaos.producer PREFIX N``, with the store and the faults in ``ALSEK_CHAOS``.
"""

from __future__ import annotations

import json
import os
import sys

from alsek.exceptions import BackendError, MessageAlreadyExistsError
from tests.chaos.fault_points import trapped
from tests.chaos.stores import open_backend
from tests.chaos.tasks import troupe


def uuids_of(prefix: str, number: int) -> tuple[str, str]:
    """The uuids of the parent and the child of one chain."""
    return f"{prefix}-parent-{number}", f"{prefix}-child-{number}"


def main() -> None:
    """Submit; what an error or an earlier life has left open is submitted again."""
    settings = json.loads(os.environ["ALSEK_CHAOS"])
    backend = trapped(open_backend(settings), settings["faults"], settings["folder"])
    play = troupe(backend, settings["journal"])
    for number in range(int(sys.argv[2])):
        parent, child = uuids_of(sys.argv[1], number)
        callback = play.child.generate(uuid=child, submit=False)
        message = play.parent.generate(args=(10,), uuid=parent, callback=callback, submit=False)
        while True:
            try:
                play.broker.submit(message)
            except MessageAlreadyExistsError:
                break
            except BackendError:
                continue
            else:
                break


if __name__ == "__main__":
    main()
