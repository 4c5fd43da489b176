"""Long work that saves where it is, under kills and stops in good order."""

from __future__ import annotations

import time

from alsek import Progress
from alsek.core.reporting.progress import progress_from_wire
from tests.chaos import row_log
from tests.chaos.environment import Stage
from tests.chaos.process_tree import send
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.stores import open_backend
from tests.chaos.verification import Results, Verdict

_ROWS, _ROWS_TO_SAVE = 400, 50


def _never_far_back(stage: Stage, verdict: Verdict) -> list[str]:
    """No attempt begins before what was saved, or far before what was done; and the last progress has arrived."""
    notes = row_log.read(stage.journal)
    backend = open_backend(stage.store.direct)
    try:
        results, found = Results(backend), []
        for uuid in stage.submitted:
            if results.run(uuid) is None:
                continue
            found += [f"{uuid}: {text}" for text in row_log.problems(notes[uuid], _ROWS, _ROWS_TO_SAVE)]
            (record,) = backend.messages.reports([uuid])
            told = None if record is None or record.progress is None else progress_from_wire(record.progress)
            if told != Progress(_ROWS, _ROWS, "rows"):
                found.append(f"{uuid} has succeeded, and its progress is {told}")
            if record is not None and record.checkpoint is not None:
                found.append(f"{uuid} has succeeded, and its checkpoint is still kept")
        return found
    finally:
        backend.close()


@scenario(
    "long_work: tasks that save where they are, SIGKILL and SIGTERM",
    judged=_never_far_back,
    short=((SQLITE, THREAD), (REDIS, PROCESS)),
)
def long_work(stage: Stage, scale: Scale) -> None:
    """Whatever ends an attempt, the next one goes back by no more than lies between two checkpoints."""
    stage.keep_alive(pools=2)
    _submit(stage, scale.pick(4, 6))
    stage.until_begun(1)
    for tick in stage.ticks(scale.seconds, 0.7):
        _submit(stage, 1 if tick % 2 else 0)
        stage.keep_alive(pools=2)
        time.sleep(stage.random.uniform(0.0, 0.3))
        started = [pool for pool in stage.pools if pool.alive and "Started group" in pool.log]
        if tick % 3 == 1 and started:
            stage.random.choice(started).process.terminate()
            stage.hit()
        elif tick % 3 == 2 and started:
            for pid in stage.random.choice(started).tree()[:1]:
                if send(pid):
                    stage.hit()
        else:
            stage.kill_one(stage.holders())
    stage.settle(scale.pick(60, 180), pools=2)
    begun = [note.what for each in row_log.read(stage.journal).values() for note in each].count("begun")
    stage.note = f"{begun} attempts"


def _submit(stage: Stage, n: int) -> None:
    for _ in range(n):
        task = stage.play.load if len(stage.submitted) % 2 else stage.play.aload
        stage.submit(task.generate(args=(_ROWS, _ROWS_TO_SAVE, 4), submit=False), restless=True)
