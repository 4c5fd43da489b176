"""Runs all that is ready in a store through its tasks, as a pool does, in this thread."""

from __future__ import annotations

from alsek.core.broker import Broker
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude, reject
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import WorkerSession
from alsek.core.execution.sync_hooks import with_sync_hooks
from alsek.core.task import AnyTask
from alsek.storage.backends.records import Failed, Outcome, Worker


def drain(broker: Broker, *tasks: AnyTask, most: int | None = None) -> int:
    """Run what is ready and what follows it, until nothing is ready or `most` were run. Returns how many were run."""
    named = {task.name: with_sync_hooks(task) for task in tasks}
    session = WorkerSession(broker.backend, Worker("", "any", None, 15_000, broker.dlq_ttl or 0, "freely"))
    session.register()
    done = 0
    outcomes: list[Outcome] = []
    while True:
        claimed = session.step(outcomes, {"any": 1 if most is None or done < most else 0}).claimed
        if not claimed:
            session.retire()
            return done
        done += 1
        opened = open_claimed(claimed[0], session, broker, named, 2)
        if isinstance(opened, Failed):
            outcomes = [opened]
            continue
        delivery, task, rejection = opened
        if rejection is not None:
            outcomes = [reject(task, delivery, rejection, broker, wait=False).outcome]
        else:
            assert task is not None
            outcomes = [conclude(task, delivery, attempt(task, delivery)).outcome]
