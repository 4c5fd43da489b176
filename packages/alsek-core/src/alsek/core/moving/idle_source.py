"""Waits until no worker of a store holds anything, so that all of it can be moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from alsek.core.identifiers import new_worker_id
from alsek.exceptions import MoveError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import FOR_EVER, Worker, WorkerRecord

#: Workers that have died are waited for as long as their leases last, but no longer than this.
LONGEST_WAIT_MS: Final = 60_000

_LEASE_MS: Final = 10_000
_PAUSE_S: Final = 0.2


def wait_until_idle(source: Backend, sleep: Callable[[float], None]) -> None:
    """Return once no worker is registered. What dead ones held is taken over as any worker would do it.

    Raises:
        MoveError: A worker is alive, or its lease lasts longer than can be waited for.
    """
    messages = source.messages
    if not messages.workers():
        return
    me = Worker(new_worker_id(), "any", (), _LEASE_MS, FOR_EVER)
    messages.register(me)
    try:
        _wait(source, messages, me, sleep)
    finally:
        messages.retire(me)


def _wait(source: Backend, messages: MessagePort, me: Worker, sleep: Callable[[float], None]) -> None:
    seen: Mapping[str, int] = {}
    seq = 0
    while True:
        # A step takes over what workers held whose lease has ended. It claims nothing: there are no queues.
        seq += 1
        messages.step(me, seq, [], {})
        now = messages.now()
        others = [worker for worker in messages.workers() if worker.id != me.id]
        for worker in others:
            renewed = worker.lease_end > seen.get(worker.id, worker.lease_end)
            if renewed or worker.lease_end - now > LONGEST_WAIT_MS:
                raise MoveError(_alive(source, worker, now))
        if not others:
            return
        seen = {worker.id: worker.lease_end for worker in others}
        if seq % 20 == 0:
            messages.renew(me, seq, ())
        sleep(_PAUSE_S)


def _alive(source: Backend, worker: WorkerRecord, now: int) -> str:
    facts = worker.facts
    where = "" if facts is None else f" on {facts.host}, process {facts.pid}"
    return (
        f"{source.describe()}: worker {worker.id[:8]}{where} is at work (its lease lasts {worker.lease_end - now} ms "
        f"more, and it holds {len(worker.claims)} messages): stop all pools and consumers of this store, then move"
    )
