"""SQLite on a disk that is full, or that can't be written."""

from __future__ import annotations

import threading
import time

from tests.chaos.environment import Stage
from tests.chaos.scenario import PROCESS, SQLITE, THREAD, Scale, scenario


@scenario(
    "SQLite: the disk is full for a while", stores=(SQLITE,), short=((SQLITE, THREAD),), small_disk=True
)
def full(stage: Stage, scale: Scale) -> None:
    """Steps fail whole; producers are told; a pool may even start then; all goes on when there is room again."""
    disk = stage.disk
    assert disk is not None
    stage.note = "tmpfs" if disk.real else "RLIMIT_FSIZE"
    stage.pool()
    stage.work(20, 100)
    stage.until_begun(4)
    for _ in stage.ticks(max(scale.seconds - 1.5, 0.1), 3.0):
        disk.fill(stage.victims())
        if len(stage.pools) == 1:
            stage.pool()
        # The payloads are larger than whatever free page is left: this waits until there is room.
        texts = ["x" * 100_000 for _ in range(5)]
        messages = [stage.play.bulky.generate(args=(text,), submit=False) for text in texts]
        producer = threading.Thread(target=stage.submit, args=messages)
        producer.start()
        time.sleep(1.5)
        disk.empty()
        stage.hit()
        producer.join(60)
        stage.work(5, 20)
    if disk.real and not stage.producer_errors:
        stage.problems.append("the disk was never full for the producer")
    stage.settle(60)


@scenario("SQLite: read-only for a while", stores=(SQLITE,), short=((SQLITE, PROCESS),))
def read_only(stage: Stage, scale: Scale) -> None:
    """Every write of the workers is refused by SQLite (`PRAGMA query_only`), as on a disk that went read-only."""
    flag = stage.folder / "read-only"
    stage.pool("--log_level", "INFO", faults=["read-only"])
    stage.work(20, 50)
    stage.until_begun(4)
    for _ in stage.ticks(max(scale.seconds - 1, 0.1), 2.5):
        flag.touch()
        time.sleep(1.0)
        flag.unlink()
        stage.hit()
        stage.work(10, 20)
    stage.settle(60)
