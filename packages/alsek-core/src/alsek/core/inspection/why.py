"""Says why a message is not running; or that it is, where, and since when."""

from __future__ import annotations

from alsek.core.inspection.endings import why_ended
from alsek.core.inspection.held import why_running
from alsek.core.inspection.messages import message_info
from alsek.core.inspection.reasons import Why
from alsek.core.inspection.sighting import sight
from alsek.core.inspection.waiting import why_waiting
from alsek.core.inspection.workers import worker_info
from alsek.storage.backends.abstract import Backend


def why(backend: Backend, uuid: str) -> Why:
    """Say why the message of this uuid is not running, or that it is, or how it ended."""
    seen = sight(backend, uuid)
    if seen.located is None:
        return why_ended(backend, seen)
    info = message_info(seen, backend.serializer)
    if info.state == "running":
        return why_running(info, seen.now)
    port = backend.messages
    workers = [worker_info(record, seen.now) for record in port.workers()]
    (tally,) = port.tallies([seen.located.stored.queue])
    return why_waiting(port, seen.located, info, workers, tally.paused, seen.now)
