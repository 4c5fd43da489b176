"""Warming up the template before it forks: each code path that task processes run is run once there."""

from __future__ import annotations

import importlib
import logging
from dataclasses import replace
from typing import Final

from alsek.core.broker import Broker
from alsek.core.execution.sync_hooks import needs_loop
from alsek.core.execution.transition_log import log as transition_log
from alsek.core.identifiers import check_queue
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.task import Task
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.process_executor.frames import pack, socket_pair
from alsek.core.worker.process_executor.outcome_codec import claimed_to_wire
from alsek.core.worker.process_executor.task_runner import TaskRunner
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Claimed

log = guarded_logger(__name__)

#: The interpreter specializes code after it has run a few times; then it has been.
_RUNS: Final = 32


def warm_up(pool: PoolOptions) -> None:
    """Run what every task process would run for the first time, without any user code.

    The interpreter fills its inline caches then. In the template their pages stay shared; else each process would fill
    them, and copy the pages.
    """
    serializer = pool.broker.backend.serializer
    try:
        for task in pool.tasks.values():
            task.wants_message()
            check_queue(task.queue)
        if any(needs_loop(task) for task in pool.tasks.values()):
            importlib.import_module("asyncio")  # it takes long, and each process would do it
        # With a name: those that are made ahead for others would be dropped again in each process, one by one.
        payload = Message("warm-up", uuid="warm-up").pack(serializer)
        Message.unpack("warm-up", "warm-up", payload, serializer)
        _serve(pool, Claimed("warm-up", "warm-up", payload, 0))
        transition_log.isEnabledFor(logging.DEBUG)  # loggers remember it, until logging is configured
    except Exception:  # if it matters, each message will fail with it
        log.warning("Warming up the template failed.", exc_info=True)


def _serve(pool: PoolOptions, claimed: Claimed) -> None:
    """Serve messages of a task that does nothing, over a connection that nobody reads."""
    broker = Broker(pool.broker.backend)  # without middleware
    task = Task(_nothing, broker, name="warm-up")
    pool = replace(pool, tasks={task.name: task}, broker=broker, hooks=())
    state, wakeup = SharedState(1), WakeupPipe()
    engine, process = socket_pair()
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # these messages must not be logged
    try:
        entry = state.add_claim(claimed.token)
        engine.sendall(pack(tuple((n, entry, claimed_to_wire(claimed), None) for n in range(_RUNS))))
        TaskRunner(pool, state, _RUNS, wakeup).main(process)
    finally:
        logging.disable(disabled)
        for each in (engine, process, state, wakeup):
            each.close()


def _nothing() -> None: ...
