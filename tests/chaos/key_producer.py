"""A producer of messages with unique keys: many of these submit to the same few keys at once.

``python -m tests.chaos.key_producer NUMBER COUNT KEYS SEED``, with the store in ``ALSEK_CHAOS``. What was accepted is
written to the file ``accepted-NUMBER`` beside the journal, as ``uuid fate`` lines.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from alsek import Message
from alsek.exceptions import BackendError, MessageAlreadyExistsError
from tests.chaos.stores import open_backend
from tests.chaos.tasks import Fate, Troupe, troupe

_FATES: tuple[Fate, ...] = ("succeeds", "succeeds", "succeeds", "retries", "fails")


def accepted_by(folder: Path, number: int) -> list[tuple[str, str]]:
    """The messages that a producer has submitted: uuid and fate. Not those whose keys others held."""
    lines = (folder / f"accepted-{number}").read_text().splitlines()
    return [(uuid, fate) for uuid, fate in (line.split(" ") for line in lines)]


def main() -> None:
    """Submit, each until the store has answered."""
    number, count, keys, seed = map(int, sys.argv[1:])
    settings = json.loads(os.environ["ALSEK_CHAOS"])
    play = troupe(open_backend(settings), settings["journal"])
    chance = random.Random(f"{seed} {number}")
    with (Path(settings["folder"]) / f"accepted-{number}").open("w") as accepted:
        for _ in range(count):
            fate = chance.choice(_FATES)
            arguments = {"key": chance.randrange(keys), "ms": chance.randrange(30), "fate": fate}
            message = play.keyed.generate(kwargs=arguments, submit=False)
            if _submit(play, message):
                accepted.write(f"{message.uuid} {fate}\n")
            time.sleep(chance.uniform(0.0, 0.02))


def _submit(play: Troupe, message: Message) -> bool:
    """Submit a message, again after each error; return False if another holds its key."""
    tried = False
    while True:
        try:
            play.broker.submit(message)
        except MessageAlreadyExistsError:
            if not tried:
                raise
            return True
        except BackendError:
            tried = True
        else:
            return not message.duplicate


if __name__ == "__main__":
    main()
