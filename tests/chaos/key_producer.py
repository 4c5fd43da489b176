"""Producers of messages with unique keys: processes that submit to the same few keys at once.

``python -m tests.chaos.key_producer PRODUCERS COUNT KEYS SECONDS SEED``, with the store in ``ALSEK_CHAOS``: each
submits so many messages within about so many seconds. What was accepted of the first is written to the file
``accepted-0`` beside the journal, as ``uuid fate`` lines, and so on.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from pathlib import Path

from alsek import Message
from alsek.exceptions import BackendError, MessageAlreadyExistsError
from tests.chaos.stores import open_backend
from tests.chaos.tasks import Fate, Troupe, troupe

FATES: tuple[Fate, ...] = ("succeeds", "succeeds", "succeeds", "retries", "fails")


def accepted_by(folder: Path, number: int) -> list[tuple[str, str]]:
    """The messages that a producer has submitted: uuid and fate. Not those whose keys others held."""
    lines = (folder / f"accepted-{number}").read_text().splitlines()
    return [(uuid, fate) for uuid, fate in (line.split(" ") for line in lines)]


def main() -> int:
    """Fork the producers, and wait for them; the exit code is the number of those that failed."""
    producers, count, keys = map(int, sys.argv[1:4])
    pause, seed = float(sys.argv[4]) / count, sys.argv[5]
    for number in range(producers):
        if os.fork() == 0:
            code = 1
            try:
                _produce(number, count, keys, pause, f"{seed} {number}")
                code = 0
            except Exception:  # noqa: BLE001 (told, and the exit code says it)
                traceback.print_exc()
            finally:
                os._exit(code)
    return sum(os.waitstatus_to_exitcode(os.wait()[1]) != 0 for _ in range(producers))


def _produce(number: int, count: int, keys: int, pause: float, seed: str) -> None:
    """Submit, each until the store has answered."""
    settings = json.loads(os.environ["ALSEK_CHAOS"])
    play = troupe(open_backend(settings), settings["journal"])
    chance = random.Random(seed)
    with (Path(settings["folder"]) / f"accepted-{number}").open("w") as accepted:
        for _ in range(count):
            fate = chance.choice(FATES)
            arguments = {"key": chance.randrange(keys), "ms": chance.randrange(30), "fate": fate}
            message = play.keyed.generate(kwargs=arguments, submit=False)
            if _submit(play, message):
                accepted.write(f"{message.uuid} {fate}\n")
            time.sleep(chance.uniform(0.0, 2 * pause))


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
    sys.exit(main())
