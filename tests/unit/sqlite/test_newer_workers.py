"""What a worker of a newer version tells of itself: what this version knows of it is shown."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from alsek.storage.backends.records import Running
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.contract.workers import the_facts
from tests.unit.sqlite.fakes import Player


def test_what_a_newer_worker_tells_besides_is_left_out(path: Path, backend: SQLiteBackend) -> None:
    """Further facts, and further fields of what runs, keep nobody from seeing the workers."""
    facts, running = the_facts("t"), Running("a", 1_700_000_000_000, 1, 4711)
    player = Player(backend)
    backend.messages.register(player.worker, facts)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "UPDATE worker_facts SET facts = ?, running = ?",
        (json.dumps({**facts._asdict(), "colour": "green"}), json.dumps([[*running, "green"]])),
    )
    connection.close()
    (record,) = backend.messages.workers()
    assert (record.facts, record.running) == (facts, (running,))
